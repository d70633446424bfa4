//! The lines of the `global` section that are about scripts.

use std::path::PathBuf;
use std::time::Duration;

use super::GlobalCx;
use crate::model::{
    ActionFailure, LuaLibraries, LuaLimits, LuaLoad, LuaPathKind, LuaPrependPath, LuaScope, LuaSettings,
    LuaStderr, LuaStep,
};
use crate::parse::args::{Args, Parsed, bad_argument, fault, list};
use crate::parse::keyword::{Keyword, Sections, served};
use crate::source::Spanned;
use crate::text::Word;
use crate::units::TimeUnit;
use crate::{Diagnostic, code};

use super::table::Parse;

const G: Sections = Sections::GLOBAL;

/// The keywords, those of HAProxy first.
pub(super) const ROWS: &[Keyword<Parse>] = &[
    served(
        "lua-load",
        G,
        "<file> [<arg>...] [limits [slice <time>] [burst <time>] [total <time>] [memory <size>]]",
        "load a script into the state that all threads share",
        |cx, args| load(cx, args, LuaScope::Shared),
    ),
    served(
        "lua-load-per-thread",
        G,
        "<file> [<arg>...] [limits [slice <time>] [burst <time>] [total <time>] [memory <size>]]",
        "load a script into every thread's own state",
        |cx, args| load(cx, args, LuaScope::PerThread),
    ),
    served(
        "lua-prepend-path",
        G,
        "<pattern> [path|cpath]",
        "search modules there first",
        prepend_path,
    ),
    served(
        "tune.lua.bool-sample-conversion",
        G,
        "{ normal | pre-3.1-bug }",
        "whether scripts get booleans as booleans or as integers",
        |cx, args| {
            let (keyword, names) = (args.last(), [("normal", true), ("pre-3.1-bug", false)]);
            let wanted = args.one_of("a way to convert booleans", &names)?;
            let lua = &mut cx.global.lua;
            if lua.steps.iter().any(|step| matches!(step, LuaStep::Load(_))) {
                let message = "`tune.lua.bool-sample-conversion` has no effect after a script was loaded";
                cx.diagnostics.push(
                    Diagnostic::warning(code::NO_EFFECT, keyword, message)
                        .help("put it before the first `lua-load`"),
                );
            } else {
                lua.bool_samples_as_booleans = Some(wanted);
            }
            Ok(())
        },
    ),
    served(
        "tune.lua.burst-timeout",
        G,
        "<time>",
        "longest Lua time without yielding",
        |cx, args| time(args, &mut cx.global.lua.burst_timeout),
    ),
    served(
        "tune.lua.session-timeout",
        G,
        "<time>",
        "longest Lua time of an action",
        |cx, args| time(args, &mut cx.global.lua.session_timeout),
    ),
    served(
        "tune.lua.service-timeout",
        G,
        "<time>",
        "longest Lua time of a service",
        |cx, args| time(args, &mut cx.global.lua.service_timeout),
    ),
    served(
        "tune.lua.task-timeout",
        G,
        "<time>",
        "longest Lua time of a task",
        |cx, args| optional_time(args, &mut cx.global.lua.task_timeout),
    ),
    served(
        "tune.lua.forced-yield",
        G,
        "<number>",
        "exact count of instructions between forced yields",
        |cx, args| {
            cx.global.lua.forced_yield = Some(args.integer(1, u64::from(u32::MAX))?);
            Ok(())
        },
    ),
    served(
        "tune.lua.log.loggers",
        G,
        "{ on | off }",
        "scripts' messages go to the loggers",
        |cx, args| {
            cx.global.lua.log_to_loggers = args.on_off()?;
            Ok(())
        },
    ),
    served(
        "tune.lua.log.stderr",
        G,
        "{ on | auto | off }",
        "when scripts' messages go to standard error",
        |cx, args| {
            let names = [
                ("on", LuaStderr::On),
                ("auto", LuaStderr::Auto),
                ("off", LuaStderr::Off),
            ];
            cx.global.lua.log_to_stderr = args.one_of("`on`, `auto` or `off`", &names)?;
            Ok(())
        },
    ),
    served(
        "tune.lua.maxmem",
        G,
        "<megabytes>",
        "most memory that scripts may hold; 0 for no limit",
        |cx, args| {
            let megabytes: u64 = args.integer(0, 1 << 24)?;
            cx.global.lua.memory_bytes_max = Some(megabytes << 20);
            Ok(())
        },
    ),
    served(
        "tune.lua.openlibs",
        G,
        "{ all | none | <lib>[,<lib>...] }",
        "the libraries that scripts get",
        open_libs,
    ),
    served(
        "tune.lua.action-failure",
        G,
        "{ continue | deny }",
        "what follows a failed action (not in HAProxy)",
        |cx, args| {
            cx.global.lua.action_failure = args.one_of("`continue` or `deny`", &ActionFailure::NAMES)?;
            Ok(())
        },
    ),
    served(
        "tune.lua.load-timeout",
        G,
        "<time>",
        "longest Lua time of loading a script, and of an init function (not in HAProxy)",
        |cx, args| time(args, &mut cx.global.lua.load_timeout),
    ),
    served(
        "tune.lua.slice",
        G,
        "<time>",
        "time between forced yields when no count is asked for (not in HAProxy)",
        |cx, args| {
            let word = args.peek();
            optional_time(args, &mut cx.global.lua.slice)?;
            match word {
                Some(word) if cx.global.lua.slice.is_none() => {
                    bad_argument(word, "a slice can't be zero: one script would hold its thread")
                }
                _ => Ok(()),
            }
        },
    ),
    served(
        "tune.lua.wait-timeout",
        G,
        "<time>",
        "longest time that an action or service may wait (not in HAProxy)",
        |cx, args| optional_time(args, &mut cx.global.lua.wait_timeout),
    ),
];

fn load(cx: &mut GlobalCx<'_>, args: &mut Args<'_>, scope: LuaScope) -> Parsed<()> {
    let path = args.spanned("a file")?;
    if path.is_empty() {
        return Err(Box::new(Diagnostic::error(
            code::BAD_ARGUMENT,
            path.span,
            "the name of a file is empty",
        )));
    }
    let path = Spanned::new(PathBuf::from(path.value), path.span);
    let (mut arguments, mut limits) = (Vec::new(), LuaLimits::default());
    while let Some(word) = args.next() {
        match word.text()? {
            "limits" => limits = self::limits(cx, args, scope)?,
            text => arguments.push(text.to_owned()),
        }
    }
    cx.global.lua.steps.push(LuaStep::Load(LuaLoad {
        scope,
        path,
        arguments,
        limits,
    }));
    Ok(())
}

/// What follows `limits` (not in HAProxy): each name once, with its value.
fn limits(cx: &GlobalCx<'_>, args: &mut Args<'_>, scope: LuaScope) -> Parsed<LuaLimits> {
    const NAMES: [(&str, usize); 4] = [("slice", 0), ("burst", 1), ("total", 2), ("memory", 3)];
    let (mut limits, mut given) = (LuaLimits::default(), [false; 4]);
    loop {
        let name = args.peek();
        let at = args.one_of("`slice`, `burst`, `total` or `memory`", &NAMES)?;
        if let (Some(name), Some(given)) = (name, given.get_mut(at)) {
            args.named(name);
            if std::mem::replace(given, true) {
                return bad_argument(name, "this limit was given already");
            }
        }
        let value = args.peek();
        match at {
            3 => {
                limits.memory_bytes_max = Some(args.size()?);
                one_limit_per_state(cx, scope, limits, value)?;
            }
            _ => {
                let time = args.time(TimeUnit::Milliseconds)?;
                let limit = match at {
                    0 => &mut limits.slice,
                    1 => &mut limits.burst,
                    _ => &mut limits.total,
                };
                *limit = Some(time);
                if let (Some(value), true) = (value, at == 0 && time.is_zero()) {
                    return bad_argument(value, "a slice can't be zero: one script would hold its thread");
                }
            }
        }
        if args.peek().is_none() {
            return Ok(limits);
        }
    }
}

/// Scripts that share a state share its memory.
fn one_limit_per_state(
    cx: &GlobalCx<'_>,
    scope: LuaScope,
    limits: LuaLimits,
    value: Option<&Word>,
) -> Parsed<()> {
    let known = cx.global.lua.steps.iter().find_map(|step| match step {
        LuaStep::Load(load) if load.scope == scope && load.limits.memory_bytes_max.is_some() => Some(load),
        _ => None,
    });
    match (known, value) {
        (Some(load), Some(value)) if load.limits.memory_bytes_max != limits.memory_bytes_max => {
            let message = format!(
                "the state that this script is loaded into has another limit: `{}` gave it",
                load.path.value.display()
            );
            bad_argument(value, message)
        }
        _ => Ok(()),
    }
}

fn prepend_path(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let path = args.spanned("a search pattern such as `/usr/share/lua/?.lua`")?;
    let kind = match args.peek() {
        None => LuaPathKind::Path,
        Some(_) => args.one_of(
            "`path` or `cpath`",
            &[("path", LuaPathKind::Path), ("cpath", LuaPathKind::Cpath)],
        )?,
    };
    cx.global
        .lua
        .steps
        .push(LuaStep::PrependPath(LuaPrependPath { path, kind }));
    Ok(())
}

/// The manual: must come before the first script, because the libraries are opened when there is a state.
fn open_libs(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let span = args.last();
    let word = args.expect("`all`, `none` or a list of libraries")?;
    if has_loaded(&cx.global.lua) {
        let message = "`tune.lua.openlibs` must come before the first script is loaded";
        return Err(Box::new(Diagnostic::error(code::BAD_ARGUMENT, span, message)));
    }
    cx.global.lua.libraries = libraries(word)?;
    Ok(())
}

fn has_loaded(lua: &LuaSettings) -> bool {
    lua.steps.iter().any(|step| matches!(step, LuaStep::Load(_)))
}

fn libraries(word: &Word) -> Parsed<LuaLibraries> {
    match word.text()? {
        "all" => return Ok(LuaLibraries::default()),
        "none" => return Ok(LuaLibraries::of(Vec::new())),
        _ => {}
    }
    let mut names = Vec::new();
    let mut at = 0;
    for name in word.text()?.split(',') {
        let part = word.part(at, at + name.len());
        at += name.len() + 1;
        match LuaLibraries::ALL.iter().find(|known| **known == name) {
            Some(known) => names.push(*known),
            None => {
                let message = format!("unknown Lua library `{name}`");
                return fault(code::BAD_ARGUMENT, &part, message).map_err(|diagnostic: Box<Diagnostic>| {
                    Box::new(
                        diagnostic
                            .suggest(name, LuaLibraries::ALL)
                            .help(format!("the libraries are {}", list(&LuaLibraries::ALL))),
                    )
                });
            }
        }
    }
    Ok(LuaLibraries::of(names))
}

fn time(args: &mut Args<'_>, target: &mut Duration) -> Parsed<()> {
    *target = args.time(TimeUnit::Milliseconds)?;
    Ok(())
}

/// Zero means that there is no limit.
fn optional_time(args: &mut Args<'_>, target: &mut Option<Duration>) -> Parsed<()> {
    *target = Some(args.time(TimeUnit::Milliseconds)?).filter(|time| !time.is_zero());
    Ok(())
}
