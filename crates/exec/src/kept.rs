//! Objects that the host keeps, to hand the same one to several runs.

use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;
use mlua::{Error, IntoLua, Lua, Result, Value};

use crate::core::Core;
use crate::object::{NewObject, push_object};
use crate::outcome::Misuse;
use crate::scalar::protected;
use crate::vm::Vm;

/// An object that the host keeps: a script that is handed it finds there what an earlier run left. Made by
/// [`Vm::keep`]; clones are the same object.
///
/// It takes less than mlua's own references do, and doesn't keep the state alive.
#[derive(Clone)]
pub struct Kept(Rc<Reference>);

struct Reference {
    reference: i32,
    core: Weak<Core>,
}

impl Vm {
    /// Makes an object and keeps it until the result and its clones are dropped.
    ///
    /// # Errors
    /// [`Misuse::WrongThread`], or [`Misuse::OutOfMemory`].
    pub fn keep(&self, object: NewObject) -> std::result::Result<Kept, Misuse> {
        self.core.check_thread()?;
        self.core.making(|raw| {
            let l = raw.state();
            // SAFETY: the lock is held; the stack is checked for the two values; everything that can raise runs in the
            // protected call, which `object` outlives.
            let reference = unsafe {
                if ffi::lua_checkstack(l, 3) == 0 {
                    return Err(Misuse::OutOfMemory);
                }
                ffi::lua_pushlightuserdata(l, (&raw const object).cast_mut().cast());
                protected(l, make_kept, 1).map_err(|_| Misuse::OutOfMemory)?;
                let reference = ffi::lua_tointeger(l, -1);
                ffi::lua_pop(l, 1);
                reference
            };
            Ok(Kept(Rc::new(Reference {
                // It was made of an `i32`.
                reference: reference as i32,
                core: Arc::downgrade(&self.core),
            })))
        })
    }
}

unsafe extern "C-unwind" fn make_kept(l: *mut lua_State) -> i32 {
    // SAFETY: called by `keep` with the address of the object's description; nothing here has a destructor.
    unsafe {
        push_object(l, *ffi::lua_touserdata(l, 1).cast::<NewObject>());
        let reference = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
        ffi::lua_pushinteger(l, reference.into());
        1
    }
}

impl Kept {
    /// Whether it is of the state that `raw` locks.
    fn is_of(&self, raw: &RawLua) -> bool {
        // SAFETY: the lock is held, and every coroutine that mlua runs of a state of ours leads to its core.
        let core = unsafe { crate::core::of(raw.state()) };
        core.is_some_and(|core| std::ptr::eq(core, self.0.core.as_ptr()))
    }
}

impl IntoLua for Kept {
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
        if !self.is_of(raw) {
            return Err(Error::external(Misuse::OtherState));
        }
        // SAFETY: the caller holds the lock and left room for a value; reading the registry raises nothing.
        unsafe { ffi::lua_rawgeti(raw.state(), ffi::LUA_REGISTRYINDEX, self.0.reference.into()) };
        Ok(())
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let Some(core) = self.core.upgrade() else { return };
        if core.owner.is_some() && core.check_thread().is_ok() {
            // SAFETY: the lock is held, nobody else's to wait for; the reference is this one's own, released once.
            core.locked(|_| unsafe { ffi::luaL_unref(core.main, ffi::LUA_REGISTRYINDEX, self.reference) });
        } else {
            // Others may be running in a state that threads share: whoever comes next releases it.
            core.bury(self.reference);
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
        context.start(&entry, kept.clone()).unwrap();
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
        assert_eq!(vm.references().unwrap(), before + 1);
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
        let refused = vms[1].enter(|lua| kept.clone().into_lua(lua).map(drop)).unwrap();
        assert!(refused.unwrap_err().to_string().contains("another state"));
        drop(vms);
        drop(kept);
    }
}
