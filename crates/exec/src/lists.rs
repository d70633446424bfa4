//! Tables of lists of texts, made in one go.

use std::ops::Range;

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;
use mlua::{Error, IntoLua, Lua, Result, Value};

use crate::plain::sealed;
use crate::scalar::protected;

/// A table with a list of texts under each name, whose first has the number 0: what the headers of a message are to
/// scripts.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidegate_exec::{Lists, Vm, VmOptions, plain};
///
/// let vm = Vm::per_thread(VmOptions::default())?;
/// vm.enter(|lua| {
///     let headers = plain(lua, "headers", |()| {
///         let mut lists = Lists::default();
///         lists.name(b"via");
///         lists.text(b"1.1 here");
///         lists.text(b"1.1 there");
///         Ok(lists)
///     });
///     lua.globals().set("headers", headers?)
/// })??;
/// assert_eq!(vm.enter(|lua| lua.load("return headers().via[1]").eval::<String>())??, "1.1 there");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Lists {
    bytes: Vec<u8>,
    /// Names, each with the texts of its list after it.
    pieces: Vec<Piece>,
    names: usize,
}

#[derive(Clone, Debug)]
struct Piece {
    is_name: bool,
    place: Range<usize>,
}

impl Lists {
    /// With room for so many texts of `bytes` in all, names included.
    pub fn with_capacity(texts: usize, bytes: usize) -> Self {
        Lists {
            bytes: Vec::with_capacity(bytes),
            pieces: Vec::with_capacity(texts),
            names: 0,
        }
    }

    /// Begins the list under `name`. A name that comes again begins a new list in the place of the other.
    pub fn name(&mut self, name: &[u8]) {
        self.names += 1;
        self.push(true, name);
    }

    /// Adds a text to the list of the last name; without any there is none to add it to.
    pub fn text(&mut self, text: &[u8]) {
        if self.names > 0 {
            self.push(false, text);
        }
    }

    fn push(&mut self, is_name: bool, text: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        let place = start..self.bytes.len();
        self.pieces.push(Piece { is_name, place });
    }

    fn bytes_of(&self, piece: &Piece) -> &[u8] {
        self.bytes.get(piece.place.clone()).unwrap_or_default()
    }

    /// Pushes the table.
    ///
    /// # Safety
    /// The state's lock must be held. Nothing is raised.
    unsafe fn make(&self, l: *mut lua_State) -> Result<()> {
        // SAFETY: the stack is checked, and `self` outlives the protected call that is given its address.
        unsafe {
            if ffi::lua_checkstack(l, 3) == 0 {
                return Err(Error::runtime("stack overflow"));
            }
            ffi::lua_pushlightuserdata(l, (&raw const *self).cast_mut().cast());
            protected(l, make_lists, 1)
        }
    }
}

unsafe extern "C-unwind" fn make_lists(l: *mut lua_State) -> i32 {
    // SAFETY: called by `make` with the address of the lists; what is borrowed from them has no destructor. A native
    // function's stack has room for the five values.
    unsafe {
        let lists = &*ffi::lua_touserdata(l, 1).cast::<Lists>();
        ffi::lua_createtable(l, 0, i32::try_from(lists.names).unwrap_or(0));
        let mut at = -1;
        for piece in &lists.pieces {
            let bytes = lists.bytes_of(piece);
            if piece.is_name && at >= 0 {
                ffi::lua_rawset(l, 2);
            }
            ffi::lua_pushlstring(l, bytes.as_ptr().cast(), bytes.len());
            if piece.is_name {
                ffi::lua_createtable(l, 0, 1);
                at = 0;
            } else {
                ffi::lua_rawseti(l, -2, at);
                at += 1;
            }
        }
        if at >= 0 {
            ffi::lua_rawset(l, 2);
        }
        1
    }
}

impl sealed::Results for Lists {
    unsafe fn push(self, l: *mut lua_State, _: bool) -> Result<i32> {
        // SAFETY: as promised by the caller.
        unsafe { self.make(l) }.map(|()| 1)
    }
}

impl IntoLua for Lists {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        lua.exec_raw_lua(|raw| {
            // SAFETY: the state is locked; what is pushed is popped.
            unsafe {
                self.make(raw.state())?;
                Ok(raw.pop_value())
            }
        })
    }

    unsafe fn push_into_stack(self, raw: &RawLua) -> Result<()> {
        // SAFETY: as promised by the caller.
        unsafe { self.make(raw.state()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Vm, VmOptions, plain};

    fn lists(names: &[(&str, &[&str])]) -> Lists {
        let mut lists = Lists::default();
        lists.text(b"of no name");
        for (name, texts) in names {
            lists.name(name.as_bytes());
            texts.iter().for_each(|text| lists.text(text.as_bytes()));
        }
        lists
    }

    #[test]
    fn each_name_has_its_list_from_0_up() {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        let made = lists(&[("a", &["1", "2", "3"]), ("b", &[]), ("c", &[""]), ("a", &["4"])]);
        let show = "local t = {} for name, list in pairs(lists()) do
                local n = 0 for _ in pairs(list) do n = n + 1 end
                t[#t + 1] = name .. n .. ':' .. tostring(list[0]) .. tostring(list[1]) .. tostring(list[2])
            end table.sort(t) return table.concat(t, ' ')";
        let shown = vm.enter(|lua| {
            lua.globals()
                .set("lists", plain(lua, "lists", move |()| Ok(made.clone()))?)?;
            lua.load(show).eval::<String>()
        });
        assert_eq!(shown.unwrap().unwrap(), "a1:4nilnil b0:nilnilnil c1:nilnil");
        let none = vm.enter(|lua| {
            lists(&[])
                .into_lua(lua)
                .map(|none| none.as_table().map(|none| none.is_empty()))
        });
        assert_eq!(none.unwrap().unwrap(), Some(true));
    }

    #[test]
    fn one_that_the_state_has_no_room_for_is_an_error_of_the_script() {
        let options = VmOptions {
            memory_bytes_max: Some(4 << 20),
            ..VmOptions::default()
        };
        let vm = Vm::per_thread(options).unwrap();
        let long = "x".repeat(1 << 20);
        let many = vec![&*long; 8];
        let made = lists(&[("a", &many)]);
        let caught = vm.enter(|lua| {
            lua.globals()
                .set("lists", plain(lua, "lists", move |()| Ok(made.clone()))?)?;
            lua.load("return pcall(lists)").eval::<(bool, String)>()
        });
        let (went_well, error) = caught.unwrap().unwrap();
        assert!(!went_well && error.contains("not enough memory"), "{error}");
    }
}
