//! Objects that the host makes for scripts: a table whose class is its metatable and whose first element says
//! what it stands for.
//!
//! That element is light userdata, which no script can make, so a script can neither forge an object nor turn
//! one into another. Members that cost something are made when they are first asked for. All of it is on the
//! way of every session, so it goes through Lua's stack directly: making an object is one protected call, and
//! a method's `self` makes no reference.

use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;
use mlua::{Error, FromLua, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Result, Table, Value};

use crate::lists::Lists;
use crate::plain::sealed;
use crate::scalar::{Said, Scalar, type_name};

/// Where an object keeps what it stands for.
pub(crate) const STANDS_FOR: i64 = 1;

/// A class of objects.
#[derive(Clone, Debug)]
pub struct ObjectClass {
    metatable: Table,
    methods: Table,
    /// The same, where it is found without mlua.
    reference: Arc<Reference>,
    /// Room for members, which objects with methods alone do not need.
    members: i32,
}

#[derive(Debug)]
struct Reference(i32);

impl ObjectClass {
    /// A class with these methods. `make`, if given, is called with the object and a name when a member is
    /// asked for that is no method; the [`Member`] that it returns stays in the object, unless it is none. One
    /// that is refused is an error at the place where it was asked for.
    ///
    /// The class lives as long as its state.
    ///
    /// # Errors
    /// When the state has no memory left.
    pub fn new(lua: &Lua, name: &str, methods: &Table, make: Option<Function>) -> Result<Self> {
        let metatable = lua.create_table()?;
        let members = if make.is_some() { 2 } else { 0 };
        metatable.raw_set("__name", name)?;
        match make {
            None => metatable.raw_set("__index", methods)?,
            Some(make) => {
                // SAFETY: runs in protected mode with the two upvalues as its arguments.
                let index = unsafe {
                    lua.exec_raw::<Function>((methods, make), |l| ffi::lua_pushcclosure(l, index, 2))?
                };
                metatable.raw_set("__index", index)?;
            }
        }
        // SAFETY: runs in protected mode with the metatable as its one argument.
        let reference = unsafe {
            lua.exec_raw::<i32>(&metatable, |l| {
                let reference = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
                ffi::lua_pushinteger(l, reference.into());
            })?
        };
        Ok(ObjectClass {
            metatable,
            methods: methods.clone(),
            reference: Arc::new(Reference(reference)),
            members,
        })
    }

    /// Gives each object of this class, which has to have a maker of members, another one under `name`: of the class
    /// `part`, standing for what the whole stands for, but for its last `bits` bits, which are `tag`. It is made when it is
    /// first asked for, without a call of the maker, and stays in the object.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidegate_exec::{Member, ObjectClass, Scalar, Standing, This, Vm, VmOptions, function, plain};
    ///
    /// struct Number(u64);
    /// impl Standing for Number {
    ///     const NAME: &'static str = "Number";
    ///     fn of(stands_for: u64) -> Option<Self> {
    ///         Some(Number(stands_for))
    ///     }
    /// }
    ///
    /// let vm = Vm::per_thread(VmOptions::default())?;
    /// vm.enter(|lua| {
    ///     let methods = lua.create_table()?;
    ///     methods.set("number", plain(lua, "number", |this: This<Number>| Ok(this.0.0 as i64))?)?;
    ///     let wheel = ObjectClass::new(lua, "Wheel", &methods, None)?;
    ///     let make = function(lua, "__index", |_, (_, _): (This<Number>, Scalar)| Ok(Member::None))?;
    ///     let car = ObjectClass::new(lua, "Car", &methods, Some(make))?;
    ///     car.add_part(lua, "spare", &wheel, 4, 0xf)?;
    ///     lua.globals().set("car", car.object(0x71))
    /// })??;
    /// let numbers = vm.enter(|lua| lua.load("return car:number(), car.spare:number()").eval::<(u64, u64)>())??;
    /// assert_eq!(numbers, (0x71, 0x7f));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the state has no memory left, or the class has no maker.
    pub fn add_part(&self, lua: &Lua, name: &str, part: &ObjectClass, bits: u32, tag: u64) -> Result<()> {
        if self.members == 0 {
            return Err(Error::runtime("objects with methods only have no parts"));
        }
        let replaced = 1_u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1);
        let part = Part {
            reference: part.reference.0,
            members: part.members,
            kept: !replaced,
            tag: tag & replaced,
        };
        // SAFETY: runs in protected mode with two arguments, the methods and the name; the description is plain data.
        unsafe {
            lua.exec_raw((&self.methods, name), |l| {
                ffi::lua_newuserdatauv(l, size_of::<Part>(), 0)
                    .cast::<Part>()
                    .write(part);
                ffi::lua_rawset(l, -3);
                ffi::lua_settop(l, 0);
            })
        }
    }

    /// The class's metatable.
    pub fn metatable(&self) -> &Table {
        &self.metatable
    }

    /// An object of this class, on its way to Lua.
    pub fn object(&self, stands_for: u64) -> NewObject {
        NewObject {
            reference: self.reference.0,
            members: self.members,
            stands_for,
        }
    }
}

/// An object that is made when it is handed to Lua; see [`ObjectClass::object`].
#[derive(Clone, Copy, Debug)]
pub struct NewObject {
    reference: i32,
    members: i32,
    stands_for: u64,
}

/// A part of all objects of a class, as the table of methods has it: the one userdata in there.
#[derive(Clone, Copy, Debug)]
struct Part {
    reference: i32,
    members: i32,
    /// What is kept of what the whole stands for, and what comes in addition.
    kept: u64,
    tag: u64,
}

impl IntoLua for NewObject {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        lua.exec_raw_lua(|raw| {
            // SAFETY: the state is locked; what is pushed is popped.
            unsafe {
                self.push_into_stack(raw)?;
                Ok(raw.pop_value())
            }
        })
    }

    unsafe fn push_into_stack(self, lua: &RawLua) -> Result<()> {
        let l = lua.state();
        let mut this = self;
        // SAFETY: the stack is checked for the three slots; everything that can raise runs in the protected
        // call, which outlives its one argument, the address of `this`.
        unsafe {
            if ffi::lua_checkstack(l, 3) == 0 {
                return Err(Error::runtime("stack overflow"));
            }
            ffi::lua_pushcfunction(l, make_object);
            ffi::lua_pushlightuserdata(l, (&raw mut this).cast());
            match ffi::lua_pcall(l, 1, 1, 0) {
                ffi::LUA_OK => Ok(()),
                status => {
                    ffi::lua_pop(l, 1);
                    Err(match status {
                        ffi::LUA_ERRMEM => Error::MemoryError("not enough memory".into()),
                        _ => Error::runtime("an object could not be made"),
                    })
                }
            }
        }
    }
}

unsafe extern "C-unwind" fn make_object(l: *mut lua_State) -> i32 {
    // SAFETY: called by `push_into_stack` with the address of an object's description.
    unsafe {
        push_object(l, *ffi::lua_touserdata(l, 1).cast::<NewObject>());
        1
    }
}

/// Pushes a new object.
///
/// # Safety
/// Called where errors can be raised, with room for three values.
pub(crate) unsafe fn push_object(l: *mut lua_State, object: NewObject) {
    // SAFETY: as promised by the caller; the reference is of a class, which lives as long as the state.
    unsafe {
        ffi::lua_createtable(l, 1, object.members);
        ffi::lua_pushlightuserdata(l, std::ptr::without_provenance_mut(object.stands_for as usize));
        ffi::lua_rawseti(l, -2, STANDS_FOR);
        ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, object.reference.into());
        ffi::lua_setmetatable(l, -2);
    }
}

/// A member of an object: a method of its class, or what the class's maker makes.
unsafe extern "C-unwind" fn index(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua with object and key, as a closure with methods and maker; nothing here has a
    // destructor when something raises.
    unsafe {
        if ffi::lua_gettop(l) != 2 {
            ffi::lua_settop(l, 2);
        }
        ffi::lua_pushvalue(l, 2);
        match ffi::lua_rawget(l, ffi::lua_upvalueindex(1)) {
            ffi::LUA_TNIL => ffi::lua_settop(l, 2),
            ffi::LUA_TUSERDATA => return part(l),
            _ => return 1,
        }
        ffi::lua_pushvalue(l, ffi::lua_upvalueindex(2));
        ffi::lua_pushvalue(l, 1);
        ffi::lua_pushvalue(l, 2);
        ffi::lua_callk(l, 2, 2, 0, None);
        if ffi::lua_type(l, 4) == ffi::LUA_TSTRING {
            ffi::luaL_where(l, 1);
            ffi::lua_insert(l, 4);
            ffi::lua_concat(l, 2);
            ffi::lua_error(l);
        }
        let is_kept = ffi::lua_type(l, 4) != ffi::LUA_TBOOLEAN;
        ffi::lua_settop(l, 3);
        if is_kept && ffi::lua_type(l, 3) != ffi::LUA_TNIL && ffi::lua_type(l, 1) == ffi::LUA_TTABLE {
            ffi::lua_pushvalue(l, 2);
            ffi::lua_pushvalue(l, 3);
            ffi::lua_rawset(l, 1);
        }
        1
    }
}

/// Makes the part that is on top, of the object and under the key below it.
///
/// # Safety
/// Called by [`index`].
unsafe fn part(l: *mut lua_State) -> i32 {
    // SAFETY: as promised by the caller: userdata among the methods is what `add_part` put there. Nothing here has a
    // destructor.
    unsafe {
        let part = *ffi::lua_touserdata(l, 3).cast::<Part>();
        if ffi::lua_type(l, 1) != ffi::LUA_TTABLE
            || ffi::lua_rawgeti(l, 1, STANDS_FOR) != ffi::LUA_TLIGHTUSERDATA
        {
            return ffi::luaL_error(l, c"a part is asked of what is no object".as_ptr());
        }
        let whole = ffi::lua_touserdata(l, 4).addr() as u64;
        ffi::lua_settop(l, 2);
        let object = NewObject {
            reference: part.reference,
            members: part.members,
            stands_for: whole & part.kept | part.tag,
        };
        push_object(l, object);
        ffi::lua_pushvalue(l, 2);
        ffi::lua_pushvalue(l, 3);
        ffi::lua_rawset(l, 1);
        1
    }
}

/// What a class's maker made of a name.
#[derive(Clone, Debug)]
pub enum Member {
    /// Objects of this class have no such member.
    None,
    /// A plain value.
    Scalar(Scalar),
    /// Another object.
    Object(NewObject),
    /// A table.
    Table(Table),
    /// What is so now, and may be otherwise when it is asked for again: it doesn't stay in the object.
    Now(Value),
    /// The member exists and can't be had: why.
    Refused(String),
}

impl IntoLuaMulti for Member {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        match self {
            Member::None => ().into_lua_multi(lua),
            Member::Scalar(scalar) => scalar.into_lua_multi(lua),
            Member::Object(object) => object.into_lua_multi(lua),
            Member::Table(table) => table.into_lua_multi(lua),
            Member::Now(value) => (value, true).into_lua_multi(lua),
            Member::Refused(why) => (Value::Nil, why).into_lua_multi(lua),
        }
    }

    unsafe fn push_into_stack_multi(self, lua: &RawLua) -> Result<i32> {
        // SAFETY: the contract is the same one.
        unsafe {
            match self {
                Member::None => Ok(0),
                Member::Scalar(scalar) => scalar.push_into_stack_multi(lua),
                Member::Object(object) => object.push_into_stack_multi(lua),
                Member::Table(table) => table.push_into_stack_multi(lua),
                Member::Now(value) => (value, true).push_into_stack_multi(lua),
                Member::Refused(why) => (Value::Nil, why).push_into_stack_multi(lua),
            }
        }
    }
}

/// The same where a [`plain`](crate::plain) function is the maker.
#[derive(Clone, Debug)]
pub enum PlainMember {
    /// Objects of this class have no such member.
    None,
    /// A plain value.
    Scalar(Scalar),
    /// A table of lists.
    Lists(Lists),
    /// The member exists and can't be had: why.
    Refused(String),
}

impl sealed::Results for PlainMember {
    unsafe fn push(self, l: *mut lua_State, first: bool) -> Result<i32> {
        // SAFETY: the contract is the same one.
        unsafe {
            match self {
                PlainMember::None => Ok(0),
                PlainMember::Scalar(scalar) => scalar.push(l, first),
                PlainMember::Lists(lists) => lists.push(l, first),
                PlainMember::Refused(why) => (Scalar::Nil, Said(why)).push(l, first),
            }
        }
    }
}

/// What an object can stand for, as its methods ask for their `self`.
pub trait Standing: Sized {
    /// The class's name in messages.
    const NAME: &'static str;

    /// What `stands_for` means; `None` if it is of another class.
    fn of(stands_for: u64) -> Option<Self>;
}

/// The `self` of a method.
#[derive(Clone, Copy, Debug)]
pub struct This<S>(pub S);

impl<S> std::ops::Deref for This<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S: Standing> FromLua for This<S> {
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        let standing = match &value {
            Value::Table(table) => match table.raw_get::<Value>(STANDS_FOR)? {
                Value::LightUserData(id) => S::of(id.0.addr() as u64),
                _ => None,
            },
            _ => None,
        };
        standing.map(This).ok_or_else(|| not_one::<S>(value.type_name()))
    }

    unsafe fn from_stack(index: i32, lua: &RawLua) -> Result<Self> {
        let l = lua.state();
        // SAFETY: the caller holds the lock and names a value on the stack; there is room for one more, as
        // native functions have 20 slots, and reading raises nothing.
        unsafe {
            let kind = ffi::lua_type(l, index);
            let mut standing = None;
            if kind == ffi::LUA_TTABLE {
                if ffi::lua_rawgeti(l, index, STANDS_FOR) == ffi::LUA_TLIGHTUSERDATA {
                    standing = S::of(ffi::lua_touserdata(l, -1).addr() as u64);
                }
                ffi::lua_pop(l, 1);
            }
            standing.map(This).ok_or_else(|| not_one::<S>(type_name(kind)))
        }
    }
}

fn not_one<S: Standing>(from: &'static str) -> Error {
    Error::FromLuaConversionError {
        from,
        to: S::NAME.to_owned(),
        message: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Vm, VmOptions, function};

    struct Door(u64);

    impl Standing for Door {
        const NAME: &'static str = "Door";

        fn of(stands_for: u64) -> Option<Self> {
            (stands_for >> 8 == 7).then_some(Door(stands_for & 0xff))
        }
    }

    fn vm() -> Vm {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        vm.enter(|lua| {
            let methods = lua.create_table()?;
            methods.set(
                "number",
                function(lua, "number", |_, This(door): This<Door>| Ok(door.0))?,
            )?;
            let make = function(lua, "__index", |lua, (This(door), key): (This<Door>, String)| {
                let made = lua.globals().get::<i64>("made")?;
                lua.globals().set("made", made + 1)?;
                Ok(match key.as_str() {
                    "twice" => Member::Scalar(Scalar::Int(door.0 as i64 * 2)),
                    "count" => Member::Now(Value::Integer(made)),
                    "stuck" => Member::Refused("the door is stuck".into()),
                    _ => Member::None,
                })
            })?;
            let class = ObjectClass::new(lua, "Door", &methods, Some(make))?;
            lua.globals().set("made", 0)?;
            lua.globals().set("door", class.object(7 << 8 | 21))?;
            lua.globals().set("window", class.object(8 << 8))
        })
        .unwrap()
        .unwrap();
        vm
    }

    fn eval<R: mlua::FromLuaMulti>(vm: &Vm, source: &str) -> Result<R> {
        vm.enter(|lua| lua.load(source).eval::<R>()).unwrap()
    }

    #[test]
    fn what_is_so_now_is_asked_for_again() {
        let counts = eval::<(u64, u64)>(&vm(), "return door.count, door.count").unwrap();
        assert_eq!(counts, (0, 1));
    }

    #[test]
    fn a_method_knows_what_its_object_stands_for() {
        assert_eq!(eval::<u64>(&vm(), "return door:number()").unwrap(), 21);
    }

    #[test]
    fn a_member_is_made_once_and_stays() {
        let vm = vm();
        assert_eq!(
            eval::<(u64, u64, u64)>(&vm, "return door.twice, door.twice, made").unwrap(),
            (42, 42, 1)
        );
        assert_eq!(eval::<Option<u64>>(&vm, "return door.nothing").unwrap(), None);
        assert_eq!(eval::<u64>(&vm, "door.mine = 5 return door.mine").unwrap(), 5);
    }

    #[test]
    fn a_member_that_cannot_be_made_is_an_error_at_its_place() {
        let vm = vm();
        let caught = vm
            .load(
                "t.lua",
                "local ok, e = pcall(function()\nreturn door.stuck\nend) return e",
            )
            .unwrap();
        let caught: String = vm.enter(|_| caught.call(())).unwrap().unwrap();
        assert_eq!(caught, "t.lua:2: the door is stuck");
    }

    #[test]
    fn what_is_no_such_object_is_refused() {
        let vm = vm();
        for (source, got) in [
            ("door.number(window)", "table"),
            ("door.number({7})", "table"),
            ("door.number('door')", "string"),
            ("door.number()", "nil"),
        ] {
            let error = eval::<()>(&vm, source).unwrap_err().to_string();
            let wanted = format!("bad argument #1 to 'number' (Door expected, got {got})");
            assert!(error.contains(&wanted), "{source}: {error}");
        }
    }
}
