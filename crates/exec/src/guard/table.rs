//! `table.concat`, `insert`, `remove`, `move` and `unpack`.
//!
//! Their loops are native, and how often they go round is what a script says: a range, or a `__len`. Over a
//! table without a metatable a short range is gone over in one go, here or in the original; anything else with a
//! look at the interrupt now and then (at every turn where a metamethod may run, which can be native too).

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};

use super::raw::{self, Original, Stop};
use super::text::Text;

/// Elements that an original may go over by itself: some hundreds of microseconds.
const ELEMENTS_MAX: i64 = 10_000;

/// A longer text is put together in Lua's own buffer.
const TEXT_BYTES_MAX: usize = 4096;

/// Elements of a plain table between two looks at the interrupt.
const ELEMENTS_PER_CHECK: i64 = 1024;

static CONCAT: Original = Original::new();
static INSERT: Original = Original::new();
static REMOVE: Original = Original::new();
static MOVE: Original = Original::new();
static UNPACK: Original = Original::new();

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        CONCAT.replace(state, c"table", c"concat", concat);
        INSERT.replace(state, c"table", c"insert", insert);
        REMOVE.replace(state, c"table", c"remove", remove);
        MOVE.replace(state, c"table", c"move", move_);
        UNPACK.replace(state, c"table", c"unpack", unpack);
    }
}

unsafe extern "C-unwind" fn concat(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state. A plain table has no element behind the first nil, so only its
    // own length counts, and a start other than the default only makes it shorter or an error.
    unsafe {
        let is_short = raw::is_plain(state, 1)
            && (ffi::lua_rawlen(state, 1) as i64) < ELEMENTS_MAX
            && (ffi::lua_gettop(state) <= 2
                || (ffi::lua_type(state, 3) <= ffi::LUA_TNIL
                    && raw::integer(state, 4).is_none_or(|last| last < ELEMENTS_MAX)));
        if is_short {
            if ffi::lua_gettop(state) <= 2 && quick_concat(state).is_some() {
                return 1;
            }
            CONCAT.call(state)
        } else {
            long_concat(state)
        }
    }
}

/// Puts a short text together without Lua's buffer: the text is pushed, or else nothing happened.
///
/// # Safety
/// As for [`long_concat`], with a table without metatable and no range.
#[inline(always)]
unsafe fn quick_concat(state: *mut lua_State) -> Option<()> {
    let mut text = Text::<TEXT_BYTES_MAX>::new();
    // SAFETY: the caller's; the separator stays, and an element does until it is popped.
    unsafe {
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE {
            return None;
        }
        let separator = if ffi::lua_type(state, 2) <= ffi::LUA_TNIL {
            &[]
        } else {
            raw::bytes(state, 2)?
        };
        for index in 1..=ffi::lua_rawlen(state, 1) as i64 {
            if index > 1 {
                text.push_all(separator)?;
            }
            ffi::lua_rawgeti(state, 1, index);
            let pushed = raw::bytes(state, -1).and_then(|element| text.push_all(element));
            ffi::lua_pop(state, 1);
            pushed?;
        }
        text.push_to(state);
    }
    Some(())
}

/// # Safety
/// The arguments of `table.concat` are on the stack; nothing above needs dropping.
unsafe fn long_concat(state: *mut lua_State) -> c_int {
    let mut buffer = MaybeUninit::<ffi::luaL_Buffer>::uninit();
    // SAFETY: the buffer stays in place, each value pushed above its slot is taken off by `luaL_addvalue`;
    // the separator is argument 2, which stays. Nothing here needs dropping.
    unsafe {
        let length = checked_length(state, 1, Access::READ.and(Access::LENGTH));
        let separator = if ffi::lua_type(state, 2) <= ffi::LUA_TNIL {
            &[]
        } else {
            raw::check_bytes(state, 2)
        };
        let first = ffi::luaL_optinteger(state, 3, 1);
        let last = ffi::luaL_optinteger(state, 4, length);
        let mut turns = Turns::new(state, c"table.concat", raw::is_plain(state, 1));
        let buffer = buffer.as_mut_ptr();
        ffi::luaL_buffinit(state, buffer);
        let mut index = first;
        while index <= last {
            turns.next();
            ffi::lua_geti(state, 1, index);
            if ffi::lua_isstring(state, -1) == 0 {
                let kind = ffi::luaL_typename(state, -1);
                let message = c"invalid value (%s) at index %I in table for 'concat'".as_ptr();
                ffi::luaL_error(state, message, kind, index);
            }
            ffi::luaL_addvalue(buffer);
            if index == last {
                break;
            }
            ffi::luaL_addlstring(buffer, separator.as_ptr().cast(), separator.len());
            index += 1;
        }
        ffi::luaL_pushresult(buffer);
    }
    1
}

unsafe extern "C-unwind" fn insert(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; indices are of its arguments.
    unsafe {
        let arguments = ffi::lua_gettop(state);
        if arguments != 3 {
            return INSERT.call(state); // appends, or is an error: no loop
        }
        let is_plain = raw::is_plain(state, 1);
        if is_plain
            && ffi::lua_type(state, 1) == ffi::LUA_TTABLE
            && let Some(position) = raw::integer(state, 2)
        {
            let end = ffi::lua_rawlen(state, 1) as i64 + 1;
            if is_within(position, end) && end - position < ELEMENTS_MAX {
                for index in (position + 1..=end).rev() {
                    ffi::lua_rawgeti(state, 1, index - 1);
                    ffi::lua_rawseti(state, 1, index);
                }
                ffi::lua_rawseti(state, 1, position);
                return 0;
            }
        }
        let end = checked_length(state, 1, Access::ALL).wrapping_add(1);
        let position = ffi::luaL_checkinteger(state, 2);
        if !is_within(position, end) {
            return ffi::luaL_argerror(state, 2, c"position out of bounds".as_ptr());
        }
        let mut turns = Turns::new(state, c"table.insert", is_plain);
        let mut index = end;
        while index > position {
            turns.next();
            ffi::lua_geti(state, 1, index - 1);
            ffi::lua_seti(state, 1, index);
            index -= 1;
        }
        ffi::lua_seti(state, 1, position);
    }
    0
}

unsafe extern "C-unwind" fn remove(state: *mut lua_State) -> c_int {
    // SAFETY: as in `insert`.
    unsafe {
        let is_plain = raw::is_plain(state, 1);
        if is_plain && ffi::lua_type(state, 1) == ffi::LUA_TTABLE {
            let size = ffi::lua_rawlen(state, 1) as i64;
            let position = if ffi::lua_type(state, 2) <= ffi::LUA_TNIL {
                Some(size)
            } else {
                raw::integer(state, 2)
                    .filter(|&at| is_within(at, size.wrapping_add(1)) && size - at < ELEMENTS_MAX)
            };
            if let Some(position) = position {
                ffi::lua_rawgeti(state, 1, position);
                for index in position..size {
                    ffi::lua_rawgeti(state, 1, index + 1);
                    ffi::lua_rawseti(state, 1, index);
                }
                ffi::lua_pushnil(state);
                ffi::lua_rawseti(state, 1, position.max(size));
                return 1;
            }
        }
        let size = checked_length(state, 1, Access::ALL);
        let mut position = ffi::luaL_optinteger(state, 2, size);
        if position != size && !is_within(position, size.wrapping_add(1)) {
            return ffi::luaL_argerror(state, 2, c"position out of bounds".as_ptr());
        }
        let mut turns = Turns::new(state, c"table.remove", is_plain);
        ffi::lua_geti(state, 1, position);
        while position < size {
            turns.next();
            ffi::lua_geti(state, 1, position + 1);
            ffi::lua_seti(state, 1, position);
            position += 1;
        }
        ffi::lua_pushnil(state);
        ffi::lua_seti(state, 1, position);
    }
    1
}

unsafe extern "C-unwind" fn move_(state: *mut lua_State) -> c_int {
    // SAFETY: as in `insert`.
    unsafe {
        let target = if ffi::lua_type(state, 5) <= ffi::LUA_TNIL {
            1
        } else {
            5
        };
        let is_plain = raw::is_plain(state, 1) && raw::is_plain(state, target);
        let (Some(first), Some(last), Some(to)) = (
            raw::integer(state, 2),
            raw::integer(state, 3),
            raw::integer(state, 4),
        ) else {
            return MOVE.call(state);
        };
        let count = i128::from(last) - i128::from(first) + 1;
        // Ranges that no integer can count are the original's to refuse.
        if (is_plain && count < i128::from(ELEMENTS_MAX))
            || count > i128::from(i64::MAX)
            || i128::from(to) + count - 1 > i128::from(i64::MAX)
        {
            return MOVE.call(state);
        }
        check_table(state, 1, Access::READ);
        check_table(state, target, Access::WRITE);
        let mut turns = Turns::new(state, c"table.move", is_plain);
        let count = count.max(0) as i64;
        let is_upwards = to > last
            || to <= first
            || (target != 1 && ffi::lua_compare(state, 1, target, ffi::LUA_OPEQ) == 0);
        let mut done = 0;
        while done < count {
            turns.next();
            let offset = if is_upwards { done } else { count - 1 - done };
            ffi::lua_geti(state, 1, first + offset);
            ffi::lua_seti(state, target, to + offset);
            done += 1;
        }
        ffi::lua_pushvalue(state, target);
    }
    1
}

unsafe extern "C-unwind" fn unpack(state: *mut lua_State) -> c_int {
    // SAFETY: as in `insert`; room for the results is made before they are pushed.
    unsafe {
        // The stack's size bounds the results; what can take long is a native metamethod for each.
        if raw::is_plain(state, 1) {
            return UNPACK.call(state);
        }
        let first = ffi::luaL_optinteger(state, 2, 1);
        let last = if ffi::lua_type(state, 3) <= ffi::LUA_TNIL {
            ffi::luaL_len(state, 1)
        } else {
            ffi::luaL_checkinteger(state, 3)
        };
        if first > last {
            return 0;
        }
        let count = i128::from(last) - i128::from(first) + 1;
        let room = c_int::try_from(count).ok().filter(|&count| count < c_int::MAX);
        let Some(count) = room.filter(|&count| ffi::lua_checkstack(state, count) != 0) else {
            return ffi::luaL_error(state, c"too many results to unpack".as_ptr());
        };
        let mut turns = Turns::new(state, c"table.unpack", false);
        let mut pushed = 0;
        while pushed < count {
            turns.next();
            ffi::lua_geti(state, 1, first + i64::from(pushed));
            pushed += 1;
        }
        count
    }
}

/// Whether `position` is in `1..=end`, with Lua's unsigned comparison: a length may be any integer.
const fn is_within(position: i64, end: i64) -> bool {
    (position as u64).wrapping_sub(1) < end as u64
}

/// Counts the turns of a loop and raises an error when the host wants it to end.
struct Turns<'n> {
    stop: Stop,
    name: &'n CStr,
    every: i64,
    left: i64,
}

impl<'n> Turns<'n> {
    /// # Safety
    /// Used only where an error may be raised, with nothing that needs dropping in the frames above.
    unsafe fn new(state: *mut lua_State, name: &'n CStr, is_plain: bool) -> Self {
        let every = if is_plain { ELEMENTS_PER_CHECK } else { 1 };
        // SAFETY: the caller's.
        let stop = unsafe { Stop::of(state) };
        Self {
            stop,
            name,
            every,
            left: every,
        }
    }

    #[inline(always)]
    fn next(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.left = self.every;
            // SAFETY: promised to `new`.
            unsafe { self.stop.check(self.name) };
        }
    }
}

/// What a value that is no table must be able to do to stand for one.
#[derive(Clone, Copy)]
struct Access(u8);

impl Access {
    const READ: Self = Self(1);
    const WRITE: Self = Self(2);
    const LENGTH: Self = Self(4);
    const ALL: Self = Self(7);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Raises an argument error unless the argument is a table or has the metamethods that `access` needs.
///
/// # Safety
/// `state` is valid, with three free slots, and errors may be raised.
unsafe fn check_table(state: *mut lua_State, argument: c_int, access: Access) {
    // SAFETY: the caller's; what is pushed is popped.
    unsafe {
        if ffi::lua_type(state, argument) == ffi::LUA_TTABLE {
            return;
        }
        let needs = [
            (Access::READ, c"__index"),
            (Access::WRITE, c"__newindex"),
            (Access::LENGTH, c"__len"),
        ];
        for (need, name) in needs {
            if access.has(need) {
                if ffi::luaL_getmetafield(state, argument, name.as_ptr()) == ffi::LUA_TNIL {
                    ffi::luaL_checktype(state, argument, ffi::LUA_TTABLE);
                }
                ffi::lua_pop(state, 1);
            }
        }
    }
}

/// The length of a table, or of what may stand for one.
///
/// # Safety
/// As for [`check_table`].
unsafe fn checked_length(state: *mut lua_State, argument: c_int, access: Access) -> i64 {
    // SAFETY: the caller's.
    unsafe {
        check_table(state, argument, access);
        ffi::luaL_len(state, argument)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_same, assert_stopped};

    #[test]
    fn ordinary_calls_are_luas() {
        for script in [
            "return table.concat({1, 2.5, 'x'}, ', ')",
            "return table.concat({1, 2, 3}, '-', 2, 3)",
            "return table.concat({1, 2, 3}, '-', 3, 2)",
            "return table.concat({1, {}, 3})",
            "return table.concat({1, 2}, '', -5)",
            "return table.concat({1, 2}, {})",
            "return table.concat(7)",
            "return table.concat()",
            "local t = {1, 2, 3} table.insert(t, 2, 'x') return table.unpack(t)",
            "local t = {1, 2, 3} table.insert(t, 4) return table.unpack(t)",
            "table.insert({1, 2, 3}, 6, 'x')",
            "table.insert({1, 2, 3}, math.mininteger, 'x')",
            "table.insert({1, 2, 3}, 'x', 'x')",
            "table.insert({1}, 1, 1, 1)",
            "table.insert(nil, 1, 1)",
            "local t = {1, 2, 3} return table.remove(t, 1), table.unpack(t)",
            "return table.remove({}), table.remove({}, 0), table.remove({1, 2}, 3)",
            "return table.remove({1, 2}, 4)",
            "return table.remove({1, 2}, math.mininteger)",
            "return table.remove('x')",
            "return table.unpack(table.move({1, 2, 3}, 1, 3, 2))",
            "return table.unpack(table.move({1, 2, 3}, 2, 3, 1))",
            "return table.unpack(table.move({1, 2, 3}, 1, 3, 2, {9}))",
            "return table.move({}, math.mininteger, math.maxinteger, 1)",
            "return table.move({}, 1, math.maxinteger, 2)",
            "return table.move({}, 1, 'x', 2)",
            "return table.move({}, 1, 2)",
            "return table.unpack({1, 2, nil, 4}, 1, 4)",
            "return table.unpack({}, 1, 1e8)",
            "return table.unpack('abc')",
            "return table.unpack()",
        ] {
            assert_same(script);
        }
    }

    #[test]
    fn metamethods_are_heard_as_luas_functions_hear_them() {
        let proxy = "local log, data = {}, {1, 2, 3, 4}
            local t = setmetatable({}, {
                __index = function(_, k) log[#log + 1] = 'get' .. k return data[k] end,
                __newindex = function(_, k, v) log[#log + 1] = 'set' .. k data[k] = v end,
                __len = function() return #data end})";
        for call in [
            "table.insert(t, 2, 'x')",
            "table.insert(t, 'x')",
            "return table.remove(t, 2)",
            "return table.remove(t)",
            "table.move(t, 1, 3, 2)",
            "table.move(t, 2, 3, 1)",
            "table.move(t, 1, 4, 1, {})",
            "table.move({7, 8}, 1, 2, 3, t)",
            "return table.concat(t, ',')",
            "return table.unpack(t)",
            "return table.unpack(t, 2, 3)",
        ] {
            assert_same(&format!(
                "{proxy}
                local function done(...)
                    return table.concat(log, ' '), table.concat(data, ' '), ...
                end
                return done((function() {call} end)())"
            ));
        }
    }

    #[test]
    fn long_ranges_give_the_same_as_short_ones() {
        let fill = "local t = {} for i = 1, 30000 do t[i] = i end";
        for call in [
            "table.insert(t, 1, 0) return #t, t[1], t[2], t[30001]",
            "local first = table.remove(t, 1) return first, #t, t[1], t[29999], t[30000]",
            "table.move(t, 1, 30000, 2) return #t, t[1], t[2], t[30001]",
            "table.move(t, 2, 30000, 1) return #t, t[1], t[29999], t[30000]",
            "return table.concat(t, ',')",
            "return table.concat(t, ',', 2, 29000)",
            "t[15000] = {} return table.concat(t, ',')",
            "return table.concat(t, ',', 1, 30001)",
        ] {
            assert_same(&format!("{fill} {call}"));
        }
    }

    #[test]
    fn short_ranges_give_the_same() {
        for call in [
            "return table.concat({})",
            "return table.concat({'a', 2, 3.5, 'b'}, '-')",
            "return table.concat({'a', 2}, 7)",
            "return table.concat({'a', {}, 'b'})",
            "return table.concat({'a', 'b'}, {})",
            "return table.concat({'a', 'b'}, nil)",
            "return table.concat('a')",
            "return table.concat({('x'):rep(5000)}, ',')",
            "return table.concat({('x'):rep(4000), ('y'):rep(96), ''}, '')",
            "return table.concat({('x'):rep(4000), ('y'):rep(96), ''}, ',')",
        ] {
            assert_same(call);
        }
        for position in -2..6 {
            assert_same(&format!(
                "local t = {{'a', 'b', 'c'}} table.insert(t, {position}, 'x') return #t, table.unpack(t, 0, 6)"
            ));
            assert_same(&format!(
                "local t = {{'a', 'b', 'c'}} return table.remove(t, {position}), #t, table.unpack(t, 0, 6)"
            ));
            assert_same(&format!(
                "local t = {{[0] = 'z'}} return table.remove(t, {position}), #t, table.unpack(t, 0, 6)"
            ));
            assert_same(&format!(
                "local t = {{}} table.insert(t, {position}, 'x') return #t, table.unpack(t, 0, 6)"
            ));
        }
        for call in [
            "return table.remove({}), table.remove({'a'})",
            "local t = {[0] = 'z'} return table.remove(t), t[0]",
            "table.insert({}, 'x', 1)",
            "table.insert('x', 1, 1)",
            "return table.remove({'a'}, 'x')",
            "return table.remove('a')",
            "return table.remove({'a', 'b'}, '1')",
            "table.insert(1)",
        ] {
            assert_same(call);
        }
    }

    #[test]
    fn endless_ranges_end_when_the_host_says_so() {
        for (call, name) in [
            ("table.move({}, 1, 1e15, 2)", "table.move"),
            ("table.move({}, 1, 1e15, 1)", "table.move"),
            (
                "table.insert(setmetatable({}, {__len = function() return 2^53 end}), 1, 1)",
                "table.insert",
            ),
            (
                "table.remove(setmetatable({}, {__len = function() return 2^53 end}), 1)",
                "table.remove",
            ),
            (
                "table.concat(setmetatable({}, {__index = rawlen}), '', 1, 1e15)",
                "table.concat",
            ),
            (
                "table.unpack(setmetatable({}, {__index = rawlen}), 1, 9e5)",
                "table.unpack",
            ),
        ] {
            assert_stopped(call, &format!("{name} exceeded its time"));
        }
    }
}
