//! `string.find`, `match`, `gmatch`, `gsub` and `rep`.
//!
//! The C matcher can take exponential time, and nothing can stop it. So matching is mostly our own matcher's, which
//! asks the host as it goes and is quicker on short patterns too. The C matcher only gets long patterns that it
//! surely ends soon (see [`bound`](super::bound)), and iterators.

use std::mem::{MaybeUninit, size_of};
use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};

use super::bound::is_small;
use super::gsub::{GSUB, gsub};
use super::matcher::{Budget, Extent, Matcher};
use super::pattern::{Fault, Item, SPECIALS, compile};
use super::raw::{self, Original, Stop};
use super::text::Text;
use super::words;

/// Patterns of more bytes than this are not compiled on the native stack.
pub(super) const ITEMS_MAX: usize = 32;

/// Strings up to this length are repeated on the native stack.
const SHORT_BYTES: usize = 256;

/// Strings longer than this are repeated in slices.
const REP_SLICE_BYTES: usize = 1 << 20;

static FIND: Original = Original::new();
static MATCH: Original = Original::new();
static GMATCH: Original = Original::new();
static REP: Original = Original::new();

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        FIND.replace(state, c"string", c"find", find);
        MATCH.replace(state, c"string", c"match", match_);
        GMATCH.replace(state, c"string", c"gmatch", gmatch);
        GSUB.replace(state, c"string", c"gsub", gsub);
        REP.replace(state, c"string", c"rep", rep);
    }
}

unsafe extern "C-unwind" fn find(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; what is held across calls needs no dropping.
    unsafe { quick_find(state, true) }
}

unsafe extern "C-unwind" fn match_(state: *mut lua_State) -> c_int {
    // SAFETY: as in `find`.
    unsafe { quick_find(state, false) }
}

/// A short pattern is compiled on the native stack: to do it all here costs less than a look at the arguments
/// and then the original's own.
///
/// # Safety
/// As for [`long_find`].
#[inline(always)]
unsafe fn quick_find(state: *mut lua_State, find: bool) -> c_int {
    // SAFETY: the caller's; the slices are of arguments 1 and 2, which stay.
    unsafe {
        let original = if find { &FIND } else { &MATCH };
        let (Some(subject), Some(pattern)) = (raw::bytes(state, 1), raw::bytes(state, 2)) else {
            return original.call(state);
        };
        if pattern.len() <= ITEMS_MAX {
            let mut room = [const { MaybeUninit::uninit() }; ITEMS_MAX];
            return find_within(state, find, subject, pattern, |pattern| {
                compile(pattern, &mut room)
            });
        }
        if is_small(pattern, subject.len()) {
            original.call(state)
        } else {
            long_find(state, find)
        }
    }
}

unsafe extern "C-unwind" fn gmatch(state: *mut lua_State) -> c_int {
    // SAFETY: as in `find`.
    unsafe {
        let (Some(subject), Some(pattern)) = (raw::bytes(state, 1), raw::bytes(state, 2)) else {
            return GMATCH.call(state);
        };
        if ffi::lua_gettop(state) == 2 && words::gmatch(state, subject, pattern) != 0 {
            return 1;
        }
        if is_small(pattern, subject.len()) {
            GMATCH.call(state)
        } else {
            long_gmatch(state)
        }
    }
}

/// `find` and `match` of patterns of any length.
///
/// # Safety
/// Called with the arguments of `string.find` on the stack, nothing above it that needs dropping.
#[cold]
pub(super) unsafe fn long_find(state: *mut lua_State, find: bool) -> c_int {
    // SAFETY: arguments 1 and 2 stay on the stack; what is held here needs no dropping.
    unsafe {
        let subject = raw::check_bytes(state, 1);
        let pattern = raw::check_bytes(state, 2);
        find_within(state, find, subject, pattern, |pattern| compiled(state, pattern))
    }
}

/// `find` and `match` on a budget.
///
/// # Safety
/// As for [`long_find`]; `compile` does not raise while it holds anything that needs dropping.
#[inline(always)]
unsafe fn find_within<'i>(
    state: *mut lua_State,
    find: bool,
    subject: &[u8],
    pattern: &[u8],
    compile: impl FnOnce(&[u8]) -> &'i [Item],
) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let mut init = 0;
        let mut is_flat = false;
        if ffi::lua_gettop(state) > 2 {
            match start(ffi::luaL_optinteger(state, 3, 1), subject.len()) {
                Some(start) => init = start,
                None => {
                    ffi::lua_pushnil(state);
                    return 1;
                }
            }
            is_flat = find && ffi::lua_toboolean(state, 4) != 0;
        }
        let budget = Budget::new(|| Stop::of(state).asked());
        if is_flat || (find && !pattern.iter().any(|&byte| SPECIALS.has(byte))) {
            return plain_find(state, subject, pattern, init, budget);
        }
        let (items, is_anchored) = match pattern {
            [b'^', rest @ ..] => (compile(rest), true),
            _ => (compile(pattern), false),
        };
        let mut matcher = Matcher::new(subject, items, budget);
        let found = if is_anchored {
            matcher.match_at(init).map(|end| end.map(|end| (init, end)))
        } else {
            matcher.search(init)
        };
        let Some((start, end)) = or_raise(state, found) else {
            ffi::lua_pushnil(state);
            return 1;
        };
        if !find {
            return push_captures(state, &matcher, subject, start, end, true);
        }
        ffi::lua_pushinteger(state, position(start) + 1);
        ffi::lua_pushinteger(state, position(end));
        2 + push_captures(state, &matcher, subject, start, end, false)
    }
}

/// # Safety
/// As for [`long_find`].
#[inline(always)]
unsafe fn plain_find<I: Fn() -> bool>(
    state: *mut lua_State,
    subject: &[u8],
    needle: &[u8],
    init: usize,
    mut budget: Budget<I>,
) -> c_int {
    let found = plain_search(subject, needle, init, &mut budget);
    // SAFETY: the caller's.
    unsafe {
        let Some(start) = or_raise(state, found) else {
            ffi::lua_pushnil(state);
            return 1;
        };
        ffi::lua_pushinteger(state, position(start) + 1);
        ffi::lua_pushinteger(state, position(start + needle.len()));
    }
    2
}

fn plain_search<I: Fn() -> bool>(
    subject: &[u8],
    needle: &[u8],
    init: usize,
    budget: &mut Budget<I>,
) -> Result<Option<usize>, Fault> {
    let Some((&first, others)) = needle.split_first() else {
        return Ok(Some(init));
    };
    let mut at = init;
    while let Some(rest) = subject.get(at..) {
        // A window that holds every place where a match can begin within the next 4096 bytes.
        let places = rest.len().saturating_sub(others.len()).min(4096);
        let Some(window) = rest.get(..places) else { break };
        if window.is_empty() {
            break;
        }
        let Some(skipped) = window.iter().position(|&byte| byte == first) else {
            budget.spend(places / 8)?;
            at += places;
            continue;
        };
        let begin = at + skipped;
        if subject.get(begin + 1..begin + needle.len()) == Some(others) && needle.len() <= 64 {
            return Ok(Some(begin));
        }
        let same = same_bytes(subject.get(begin + 1..).unwrap_or(&[]), others);
        budget.spend(skipped / 8 + same / 8 + 1)?;
        if same == others.len() {
            return Ok(Some(begin));
        }
        at = begin + 1;
    }
    Ok(None)
}

/// How many leading bytes of `wanted` are in `bytes`, to the precision of a block unless it is all of them.
fn same_bytes(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut same = 0;
    for (block, other) in wanted.chunks(64).zip(bytes.chunks(64)) {
        if other.get(..block.len()) != Some(block) {
            break;
        }
        same += block.len();
    }
    same
}

/// What a long `gmatch` keeps between two matches.
struct Progress {
    at: usize,
    /// Where the last match ended, plus one; 0 before the first.
    last_end: usize,
}

/// # Safety
/// As for [`long_find`], with the arguments of `string.gmatch`.
unsafe fn long_gmatch(state: *mut lua_State) -> c_int {
    // SAFETY: subject and pattern become upvalues of the iterator, and so do the two userdata, which hold
    // plain data; nothing here needs dropping.
    unsafe {
        let subject = raw::check_bytes(state, 1);
        let pattern = raw::check_bytes(state, 2);
        let init = start(ffi::luaL_optinteger(state, 3, 1), subject.len());
        ffi::lua_settop(state, 2);
        compiled(state, pattern);
        let progress = ffi::lua_newuserdatauv(state, size_of::<Progress>(), 0).cast::<Progress>();
        progress.write(Progress {
            at: init.unwrap_or(subject.len() + 1),
            last_end: 0,
        });
        ffi::lua_pushcclosure(state, long_gmatch_next, 4);
    }
    1
}

unsafe extern "C-unwind" fn long_gmatch_next(state: *mut lua_State) -> c_int {
    // SAFETY: the upvalues are those of `long_gmatch`, out of a script's reach; the userdata that holds the
    // items is as long as they are, and the closure keeps them all.
    unsafe {
        let subject = raw::check_bytes(state, ffi::lua_upvalueindex(1));
        let items = ffi::lua_touserdata(state, ffi::lua_upvalueindex(3)).cast::<Compiled>();
        let items = Compiled::items(items);
        let progress = ffi::lua_touserdata(state, ffi::lua_upvalueindex(4)).cast::<Progress>();
        let stop = Stop::of(state);
        let mut matcher = Matcher::new(subject, items, Budget::new(|| stop.asked()));
        let mut at = (*progress).at;
        while at <= subject.len() {
            let Some((start, end)) = or_raise(state, matcher.search(at)) else {
                break;
            };
            if end + 1 != (*progress).last_end {
                progress.write(Progress {
                    at: end,
                    last_end: end + 1,
                });
                return push_captures(state, &matcher, subject, start, end, true);
            }
            at = start + 1;
        }
        (*progress).at = subject.len() + 1;
        0
    }
}

unsafe extern "C-unwind" fn rep(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; the slices are of arguments 1 and 3, which stay.
    unsafe {
        let (Some(text), Some(times)) = (raw::bytes(state, 1), raw::integer(state, 2)) else {
            return REP.call(state);
        };
        let separator = match raw::bytes(state, 3) {
            Some(separator) => separator,
            None if ffi::lua_type(state, 3) <= ffi::LUA_TNIL => &[],
            None => return REP.call(state),
        };
        let Ok(times) = usize::try_from(times) else {
            return REP.call(state);
        };
        let unit = text.len() + separator.len();
        if unit == 0 {
            // The C function would go round `times` times for nothing.
            ffi::lua_pushlstring(state, c"".as_ptr(), 0);
            return 1;
        }
        // The original makes no string of more than an `int`, and says so.
        let total = unit
            .checked_mul(times)
            .filter(|&bytes| bytes <= c_int::MAX as usize);
        match total.and_then(|bytes| bytes.checked_sub(separator.len())) {
            Some(bytes) if bytes <= SHORT_BYTES => short_rep(state, text, separator, times),
            Some(bytes) if bytes > REP_SLICE_BYTES => long_rep(state, text, separator, bytes),
            _ => REP.call(state),
        }
    }
}

/// # Safety
/// As for [`long_rep`]; the result has at most [`SHORT_BYTES`].
#[inline(always)]
unsafe fn short_rep(state: *mut lua_State, text: &[u8], separator: &[u8], times: usize) -> c_int {
    let mut result = Text::<SHORT_BYTES>::new();
    let mut write = || {
        for turn in 0..times {
            if turn > 0 {
                result.push_all(separator)?;
            }
            result.push_all(text)?;
        }
        Some(())
    };
    // SAFETY: the caller's.
    unsafe {
        if write().is_none() {
            return REP.call(state);
        }
        result.push_to(state);
    }
    1
}

/// # Safety
/// As for [`long_find`], with the arguments of `string.rep`; `total` is more than 0.
unsafe fn long_rep(state: *mut lua_State, text: &[u8], separator: &[u8], total: usize) -> c_int {
    let mut buffer = MaybeUninit::<ffi::luaL_Buffer>::uninit();
    // SAFETY: the buffer stays in place until its result is pushed; `start` has room for `total` bytes, and
    // every write is within them: `filled` of them are written, always a whole number of units until the end.
    unsafe {
        let stop = Stop::of(state);
        let start = ffi::luaL_buffinitsize(state, buffer.as_mut_ptr(), total).cast::<u8>();
        let unit = text.len() + separator.len();
        let first = text.len().min(total);
        start.copy_from_nonoverlapping(text.as_ptr(), first);
        let second = separator.len().min(total - first);
        start
            .add(first)
            .copy_from_nonoverlapping(separator.as_ptr(), second);
        let mut filled = first + second;
        while filled < total {
            stop.check(c"string.rep");
            // Twice as much each time, up to a slice of whole units.
            let slice = filled
                .min((REP_SLICE_BYTES / unit).max(1) * unit)
                .min(total - filled);
            start.add(filled).copy_from_nonoverlapping(start, slice);
            filled += slice;
        }
        ffi::luaL_pushresultsize(buffer.as_mut_ptr(), total);
    }
    1
}

/// The items of a pattern, kept in a userdata: the collector frees it, whatever error jumps over us.
struct Compiled {
    count: usize,
}

impl Compiled {
    /// # Safety
    /// `compiled` was written by [`compiled`], and its userdata is kept while the items are used.
    unsafe fn items<'a>(compiled: *const Self) -> &'a [Item] {
        // SAFETY: the caller's: behind the count there are as many items, aligned as `Item` (8 bytes each).
        unsafe { std::slice::from_raw_parts(compiled.add(1).cast::<Item>(), (*compiled).count) }
    }
}

const _: () = assert!(align_of::<Item>() <= align_of::<Compiled>());

/// Compiles `pattern` into a userdata on the top of the stack.
///
/// # Safety
/// The userdata stays on the stack or in an upvalue while the items are used.
pub(super) unsafe fn compiled<'a>(state: *mut lua_State, pattern: &[u8]) -> &'a [Item] {
    // SAFETY: the userdata has room for the head and one item for every byte of the pattern; Lua aligns
    // userdata for any of its types, and the assertion above says that this is enough.
    unsafe {
        let bytes = size_of::<Compiled>() + pattern.len() * size_of::<Item>();
        let head = ffi::lua_newuserdatauv(state, bytes, 0).cast::<Compiled>();
        let room = std::slice::from_raw_parts_mut(head.add(1).cast::<MaybeUninit<Item>>(), pattern.len());
        let count = compile(pattern, room).len();
        head.write(Compiled { count });
        Compiled::items(head)
    }
}

/// Where a search begins (from 0) for an `init` argument; `None` if that is behind the end.
pub(super) fn start(init: i64, length: usize) -> Option<usize> {
    let length = position(length);
    let start = match init {
        1.. => init - 1,
        0 => 0,
        _ if init < -length => 0,
        _ => length + init,
    };
    if start > length {
        None
    } else {
        usize::try_from(start).ok()
    }
}

/// Lengths of Lua's strings always are Lua integers.
pub(super) fn position(at: usize) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// Pushes every capture, or the whole match if `whole` and there is none. Gives their number.
///
/// # Safety
/// Nothing in the frames above may need dropping.
pub(super) unsafe fn push_captures<I: Fn() -> bool>(
    state: *mut lua_State,
    matcher: &Matcher<'_, I>,
    subject: &[u8],
    start: usize,
    end: usize,
    whole: bool,
) -> c_int {
    let count = if matcher.captures() == 0 && whole {
        1
    } else {
        matcher.captures()
    };
    let count = c_int::try_from(count).unwrap_or(c_int::MAX);
    // SAFETY: the caller's.
    unsafe {
        // As many are free in every native function that has pushed little.
        if count > 8 {
            ffi::luaL_checkstack(state, count, c"too many captures".as_ptr());
        }
        for index in 0..count as usize {
            push_capture(state, matcher, subject, index, start, end);
        }
    }
    count
}

/// Pushes capture `index`, of which 0 is the whole match if there are none.
///
/// # Safety
/// A free slot; nothing in the frames above may need dropping.
pub(super) unsafe fn push_capture<I: Fn() -> bool>(
    state: *mut lua_State,
    matcher: &Matcher<'_, I>,
    subject: &[u8],
    index: usize,
    start: usize,
    end: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        match or_raise(state, matcher.capture(index, start, end)) {
            (at, Extent::Bytes(length)) => {
                let bytes = subject.get(at..at + length).unwrap_or(&[]);
                ffi::lua_pushlstring(state, bytes.as_ptr().cast(), bytes.len());
            }
            (at, _) => ffi::lua_pushinteger(state, position(at) + 1),
        }
    }
}

/// The value, or the Lua error that the fault is.
///
/// # Safety
/// Nothing in the frames above may need dropping.
pub(super) unsafe fn or_raise<T: Copy>(state: *mut lua_State, result: Result<T, Fault>) -> T {
    match result {
        Ok(value) => value,
        // SAFETY: the caller's.
        Err(fault) => unsafe { raise(state, fault) },
    }
}

/// # Safety
/// As for [`or_raise`].
#[cold]
unsafe fn raise(state: *mut lua_State, fault: Fault) -> ! {
    let message = match fault {
        Fault::EndsWithPercent => c"malformed pattern (ends with '%%')",
        Fault::MissingBracket => c"malformed pattern (missing ']')",
        Fault::MissingBalanceArguments => c"malformed pattern (missing arguments to '%%b')",
        Fault::MissingFrontierSet => c"missing '[' after '%%f' in pattern",
        Fault::InvalidCapture => c"invalid pattern capture",
        Fault::CaptureIndex(_) => c"invalid capture index %%%d",
        Fault::UnfinishedCapture => c"unfinished capture",
        Fault::TooManyCaptures => c"too many captures",
        Fault::TooComplex => c"pattern too complex",
        Fault::Interrupted => c"pattern matching exceeded its time",
    };
    let index = if let Fault::CaptureIndex(index) = fault {
        c_int::from(index)
    } else {
        0
    };
    // SAFETY: the caller's; only the text with `%d` reads the number.
    unsafe {
        ffi::luaL_error(state, message.as_ptr(), index);
        ffi::lua_error(state)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_same, assert_stopped, guarded, plain};
    use mlua::BString;
    use proptest::prelude::*;

    #[test]
    fn faults_have_luas_words() {
        for pattern in [
            "%", "[", "[a", "[]", "[^]", "[%", "[%]", "(", ")", "(()", "%1", "(%1)", "%0", "()%1", "%f",
            "%b", "%bx", "a)", "(a))",
        ] {
            // Long subjects take our matcher.
            let subject = "('a'):rep(2000000)";
            assert_same(&format!("return string.find({subject}, '^{pattern}')"));
            assert_same(&format!("return string.match('a', '{pattern}')"));
            assert_same(&format!("return string.gsub({subject}, '{pattern}', 'x', 1)"));
        }
        for count in [31, 32, 33, 199, 200, 201] {
            assert_same(&format!(
                "return select('#', string.match(('a'):rep(2000000), ('()'):rep({count})))"
            ));
            assert_same(&format!(
                "return #string.match(('a'):rep(2000000), '^' .. ('a?'):rep({count}))"
            ));
            assert_same(&format!(
                "return #string.match(('a'):rep(2000000), '^' .. ('b*'):rep({count}) .. 'a')"
            ));
        }
        for replacement in [
            "'%2'", "'%'", "'%x'", "'%1'", "'%%'", "'%0%0'", "{}", "nil", "true", "7",
        ] {
            assert_same(&format!(
                "return #string.gsub(('ab'):rep(600000), 'a', {replacement})"
            ));
        }
        assert_same("return string.gsub(('ab'):rep(600000), 'a', function() return {} end)");
        assert_same("return string.gsub(('ab'):rep(600000), 'a', coroutine.yield)");
        assert_same("return coroutine.wrap(string.gsub)(('ab'):rep(600000), 'a', coroutine.yield)");
    }

    #[test]
    fn arguments_are_checked_as_lua_does() {
        for script in [
            "return string.find()",
            "return string.find('x')",
            "return string.find({}, 'x')",
            "return ('x'):find({})",
            "return string.find(1234, 23)",
            "return string.find('x', 'x', 'y')",
            "return string.gmatch('x')",
            "return string.gsub('x', 'x')",
            "return string.gsub('x', 'x', 'y', 'z')",
            "return string.gsub(('x'):rep(2000000), 'y')",
            "return string.gsub(('x'):rep(2000000), 'y', 'z', 'z')",
            "return string.rep()",
            "return string.rep('x')",
            "return string.rep('x', {})",
            "return string.rep('x', 3, {})",
            "return string.rep('x', -1)",
            "return string.rep('x', 3, ',')",
            "return string.rep('x', 1 << 31)",
            "return string.rep('x', 1 << 62)",
            "return string.rep('xy', 1 << 62, 'zz')",
            "return string.rep('', 0)",
            "return string.rep('', 5, '')",
        ] {
            assert_same(script);
        }
    }

    #[test]
    fn long_repetitions_are_whole() {
        for (text, times, separator) in [
            ("abc", 700_000, ""),
            ("abc", 700_001, ", "),
            ("", 600_000, "xy"),
            ("x", 1_048_577, ""),
        ] {
            assert_same(&format!("return string.rep('{text}', {times}, '{separator}')"));
        }
        assert_same("return string.rep(('ab'):rep(800000), 3, ('-'):rep(2000000))");
        assert_same("return string.rep(('ab'):rep(800000), 1, ('-'):rep(2000000))");
    }

    #[test]
    fn endless_matching_ends_when_the_host_says_so() {
        let bomb = "('a'):rep(300), '.-.-.-.-.-.-b'";
        for call in [
            format!("string.find({bomb})"),
            format!("string.match({bomb})"),
            format!("string.gmatch({bomb})()"),
            format!("string.gsub({bomb}, '')"),
            "string.find(('a'):rep(1000000), ('a'):rep(500000) .. 'b', 1, true)".into(),
            "string.find(('('):rep(100000), '%b()')".into(),
            "string.find(('a'):rep(100000), '(a*)%1b')".into(),
            "string.gsub(('a'):rep(1000), '.*', ('%0'):rep(100000))".into(),
            // Native callbacks never let a hook run, however few they are.
            "string.gsub('aaaa', '.', string.upper)".into(),
            "string.gsub('aaaa', '.', setmetatable({}, {__index = string.rep}))".into(),
        ] {
            assert_stopped(&call, "pattern matching exceeded its time");
        }
        assert_stopped("string.rep('x', 1 << 28)", "string.rep exceeded its time");
    }

    #[test]
    fn an_endless_repetition_of_nothing_is_nothing() {
        let text: String = guarded(|_| false)
            .load("return string.rep('', 1 << 62, '')")
            .eval()
            .unwrap();
        assert_eq!(text, "");
    }

    /// The functions on a budget, as globals of a plain state beside the originals.
    fn both() -> mlua::Lua {
        use super::super::gsub::long_gsub;
        use super::*;
        unsafe extern "C-unwind" fn find_long(state: *mut lua_State) -> c_int {
            // SAFETY: called by Lua with the arguments of `string.find`.
            unsafe { long_find(state, true) }
        }
        unsafe extern "C-unwind" fn match_long(state: *mut lua_State) -> c_int {
            // SAFETY: called by Lua with the arguments of `string.match`.
            unsafe { long_find(state, false) }
        }
        unsafe extern "C-unwind" fn gmatch_long(state: *mut lua_State) -> c_int {
            // SAFETY: called by Lua with the arguments of `string.gmatch`.
            unsafe { long_gmatch(state) }
        }
        unsafe extern "C-unwind" fn gsub_long(state: *mut lua_State) -> c_int {
            // SAFETY: called by Lua with the arguments of `string.gsub`.
            unsafe { long_gsub(state) }
        }
        let lua = plain();
        // SAFETY: these are C functions as Lua expects them.
        unsafe {
            lua.exec_raw::<()>((), |state| {
                for (name, function) in [
                    (c"find", find_long as ffi::lua_CFunction),
                    (c"match", match_long),
                    (c"gmatch", gmatch_long),
                    (c"gsub", gsub_long),
                ] {
                    ffi::lua_pushcclosure(state, function, 0);
                    ffi::lua_setglobal(state, name.as_ptr());
                }
            })
        }
        .unwrap();
        lua.load(
            "local function show(ok, ...)
                local out = {tostring(ok)}
                for i = 1, select('#', ...) do
                    local value = select(i, ...)
                    -- A message names the function by its global name only for the originals.
                    out[#out + 1] = math.type(value) or type(value)
                    out[#out + 1] = tostring(value)
                end
                return table.concat(out, '|')
            end
            local function every(gmatch, subject, pattern, init)
                local seen = {}
                local turns = 0
                for a, b, c in gmatch(subject, pattern, init) do
                    turns = turns + 1
                    seen[turns] = tostring(a) .. '/' .. tostring(b) .. '/' .. tostring(c)
                end
                return table.concat(seen, ';')
            end
            function run(lib, subject, pattern, init, flat, most, template)
                local calls = 0
                local function callback(a, b)
                    calls = calls + 1
                    if calls % 3 == 0 then return false end
                    return tostring(a) .. '<' .. tostring(b) .. '>'
                end
                return table.concat({
                    show(pcall(lib.find, subject, pattern, init, flat)),
                    show(pcall(lib.match, subject, pattern, init)),
                    show(pcall(every, lib.gmatch, subject, pattern, init)),
                    show(pcall(lib.gsub, subject, pattern, template, most)),
                    show(pcall(lib.gsub, subject, pattern, {a = 'A', b = false, ab = 7}, most)),
                    show(pcall(lib.gsub, subject, pattern, callback, most)),
                }, ' ~ ')
            end",
        )
        .exec()
        .unwrap();
        lua
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn the_matcher_is_luas(
            pattern in "\\^?([ab.]|[ab.][*+?-]|%[aAdswpxzb1-3]|%[aAsw][*+?-]|\\(|\\)|\\(\\)|%b[ab][ab]|%f\\[\\^?[ab]\\]|\\[\\^?[ab%\\]0-]{0,4}\\]?[*+?-]?|[$*+?%\u{0}-]){0,7}",
            subject in "[ab0 \u{0}()]{0,14}",
            init in proptest::option::of(-18i64..18),
            flat: bool,
            most in proptest::option::of(-1i64..6),
            template in "(%[%0-4x]|[ab%]){0,3}",
        ) {
            thread_local!(static BOTH: mlua::Lua = both());
            let (originals, ours) = BOTH.with(|lua| {
                let run: mlua::Function = lua.globals().get("run").unwrap();
                let call = |lib: mlua::Table| -> BString {
                    run.call((lib, &*subject, &*pattern, init, flat, most, &*template)).unwrap()
                };
                (call(lua.globals().get("string").unwrap()), call(lua.globals()))
            });
            prop_assert_eq!(ours, originals);
        }
    }
}
