//! Objects that the host keeps, to hand the same one to several runs.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Weak};

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;
use mlua::{Error, IntoLua, Lua, Result, Value};

use crate::core::{Core, Dead};
use crate::object::{NewObject, push_object};
use crate::outcome::Misuse;
use crate::vm::Vm;

/// An object that the host keeps: a script that is handed it finds there what an earlier run left. Made by
/// [`Vm::keep`], and handed over by reference.
///
/// It takes less than mlua's own references do, and doesn't keep the state alive.
pub struct Kept {
    object: NewObject,
    /// Where it is among the state's anchors, once it was made.
    at: Cell<Option<i32>>,
    core: Weak<Core>,
}

impl Vm {
    /// Keeps an object, which is made when it is first handed over, until the result is dropped.
    ///
    /// # Errors
    /// [`Misuse::WrongThread`].
    pub fn keep(&self, object: NewObject) -> std::result::Result<Kept, Misuse> {
        self.core.check_thread()?;
        Ok(Kept {
            object,
            at: Cell::new(None),
            core: Arc::downgrade(&self.core),
        })
    }
}

unsafe extern "C-unwind" fn make_kept(l: *mut lua_State) -> i32 {
    // SAFETY: called by `push_into_stack` with the address of what is kept; nothing here has a destructor.
    unsafe {
        push_object(l, (*ffi::lua_touserdata(l, 1).cast::<Kept>()).object);
        1
    }
}

impl IntoLua for &Kept {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        lua.exec_raw_lua(|raw| {
            // SAFETY: the state is locked, and there is room for a value; what is pushed is popped.
            unsafe {
                if ffi::lua_checkstack(raw.state(), 1) == 0 {
                    return Err(Error::runtime("stack overflow"));
                }
                self.push_into_stack(raw)?;
                Ok(raw.pop_value())
            }
        })
    }

    unsafe fn push_into_stack(self, raw: &RawLua) -> Result<()> {
        let l = raw.state();
        // SAFETY: the caller holds the lock and left room for a value; every coroutine that mlua runs of a state of ours leads to
        // its core. The stack is checked for more, and everything that can raise runs in the protected call, which this
        // outlives.
        unsafe {
            let Some(core) = crate::core::of(l).filter(|core| std::ptr::eq(*core, self.core.as_ptr())) else {
                return Err(Error::external(Misuse::OtherState));
            };
            if let Some(at) = self.at.get() {
                core.anchors.push(l, at);
                return Ok(());
            }
            if ffi::lua_checkstack(l, 3) == 0 {
                return Err(Error::runtime("stack overflow"));
            }
            ffi::lua_pushcfunction(l, make_kept);
            ffi::lua_pushlightuserdata(l, (&raw const *self).cast_mut().cast());
            if ffi::lua_pcall(l, 1, 1, 0) == ffi::LUA_OK
                && let Some(at) = core.anchors.keep(l)
            {
                self.at.set(Some(at));
                return Ok(());
            }
            ffi::lua_settop(l, -2);
            Err(Error::MemoryError("not enough memory".into()))
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Some(at) = self.at.get() else { return };
        let Some(core) = self.core.upgrade() else { return };
        if core.owner.is_some() && core.check_thread().is_ok() {
            // SAFETY: the lock is held, nobody else's to wait for; the place is this one's own, given back once.
            core.locked(|_| unsafe { core.anchors.release(at) });
        } else {
            // Others may be running in a state that threads share: whoever comes next releases it.
            core.bury(Dead::Anchor(at));
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::ObjectClass;
    use crate::{VmOptions, Yielding};
    use std::task::{Context as TaskContext, Waker};

    fn class(vm: &Vm) -> ObjectClass {
        vm.enter(|lua| ObjectClass::new(lua, "Box", &lua.create_table()?, None))
            .unwrap()
            .unwrap()
    }

    fn run(vm: &Vm, source: &str, kept: &Kept) -> i64 {
        let entry = vm.entry("t", vm.load("t.lua", source).unwrap()).unwrap();
        let mut context = vm.context().unwrap();
        context.start(&entry, kept).unwrap();
        let mut cx = TaskContext::from_waker(Waker::noop());
        let outcome = context.step(&mut cx, Yielding::Refused).unwrap();
        assert!(matches!(outcome, crate::Outcome::Ok), "{outcome:?}");
        context.take().unwrap()
    }

    #[test]
    fn each_run_is_handed_the_same_object_and_nothing_is_left_of_it() {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        let class = class(&vm);
        let before = vm.references().unwrap();
        let kept = vm.keep(class.object(7)).unwrap();
        assert_eq!(vm.references().unwrap(), before);
        assert_eq!(run(&vm, "local o = ... o.mine = 5 return 1", &kept), 1);
        vm.collect().unwrap();
        assert_eq!(run(&vm, "local o = ... return o.mine", &kept), 5);
        drop(kept);
        // What the entries and the coroutines took is released, too.
        vm.collect().unwrap();
        assert_eq!(vm.references().unwrap(), before);
    }

    #[test]
    fn it_is_refused_by_another_state_and_outlives_its_own() {
        let vms = [(); 2].map(|()| Vm::per_thread(VmOptions::default()).unwrap());
        let kept = vms[0].keep(class(&vms[0]).object(7)).unwrap();
        vms[0].enter(|lua| kept.into_lua(lua).map(drop)).unwrap().unwrap();
        let refused = vms[1].enter(|lua| kept.into_lua(lua).map(drop)).unwrap();
        assert!(refused.unwrap_err().to_string().contains("another state"));
        drop(vms);
        drop(kept);
    }
}
