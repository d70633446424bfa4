//! What scripts register: actions, services, fetches, converters, filters, commands, init functions, tasks.

use std::sync::Arc;

use mlua::{Error, Function, LuaString, MultiValue, Result, Table, Value, Variadic};
use tidegate_exec::function;

use crate::arg::{Int, bad_argument, error, message};
use crate::declared::{CommandLevel, Key, RuleSet};
use crate::env::{Env, Item, Stage};
use crate::row::{Row, row};
use crate::run::Run;
use crate::{filter, task};

pub(super) const ROWS: &[Row] = &[
    row(
        "register_action(name, actions, func[, nb_args])",
        "makes `func(txn, …)` an action of the rule sets named in the list `actions`",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |_, (name, rules, function, nb_args): (LuaString, Table, Function, Option<Int>)| {
                    let nb_args = match nb_args {
                        Some(Int(n)) => usize::try_from(n)
                            .map_err(|_| bad_argument(4, "register_action", "not a number of arguments"))?,
                        None => 0,
                    };
                    for rules in rules.sequence_values::<LuaString>() {
                        let key = Key::Action(rule_set(&rules?)?, checked(&name, "register_action")?);
                        add(&env, "register_action", Item::of(key, nb_args, &function))?;
                    }
                    Ok(())
                },
            )
        },
    ),
    row(
        "register_service(name, mode, func)",
        "makes `func(applet)` a service for `mode` `http` or `tcp`",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |_, (name, mode, function): (LuaString, LuaString, Function)| {
                    let name = checked(&name, "register_service")?;
                    let key = match &*mode.as_bytes() {
                        b"http" => Key::HttpService(name),
                        b"tcp" => Key::TcpService(name),
                        _ => return Err(bad_argument(2, "register_service", "`http` or `tcp` expected")),
                    };
                    add(&env, "register_service", Item::of(key, 0, &function))
                },
            )
        },
    ),
    row(
        "register_fetches(name, func)",
        "makes `func(txn, …)` the fetch `lua.NAME`",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, (name, function): (LuaString, Function)| {
                let key = Key::Fetch(checked(&name, "register_fetches")?);
                add(&env, "register_fetches", Item::of(key, 0, &function))
            })
        },
    ),
    row(
        "register_converters(name, func)",
        "makes `func(value, …)` the converter `lua.NAME`",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, (name, function): (LuaString, Function)| {
                let key = Key::Converter(checked(&name, "register_converters")?);
                add(&env, "register_converters", Item::of(key, 0, &function))
            })
        },
    ),
    row(
        "register_filter(name, Flt, func)",
        "makes the class `Flt` a filter: `func(flt, args)` gives what the line `filter lua.NAME` stands for, or nil for nothing",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |_, (name, class, function): (LuaString, Table, Function)| {
                    let key = Key::Filter(checked(&name, "register_filter")?);
                    filter::is_for_http(&class).map_err(|_| {
                        bad_argument(
                            2,
                            "register_filter",
                            "`flags` is a number, such as filter.FLT_CFG_FL_HTX",
                        )
                    })?;
                    let item = Item {
                        class: Some(class),
                        ..Item::of(key, 0, &function)
                    };
                    add(&env, "register_filter", item)
                },
            )
        },
    ),
    row(
        "register_cli(path, usage, func[, level])",
        "makes `func(applet, …)` the command of the runtime API whose words are the list `path`; `level` (`user`, `operator` or \
         `admin`) may give it, and `usage` tells what it does",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |_, (path, usage, function, level): (Table, LuaString, Function, Option<LuaString>)| {
                    let level = match level {
                        Some(level) => CommandLevel::from_name(&level.as_bytes()).ok_or_else(|| {
                            bad_argument(4, "register_cli", "`user`, `operator` or `admin` expected")
                        })?,
                        None => CommandLevel::User,
                    };
                    let key = Key::Command(command_words(&path)?);
                    let usage = Some((message(&usage.as_bytes()), level));
                    let item = Item {
                        usage,
                        ..Item::of(key, 0, &function)
                    };
                    add(&env, "register_cli", item)
                },
            )
        },
    ),
    row(
        "register_init(func)",
        "runs `func()` once the configuration is complete, before anything is served",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, function: Function| {
                if env.stage() != Stage::Load {
                    return Err(error(
                        "register_init",
                        "only possible while the scripts are loaded",
                    ));
                }
                env.registry().inits.push((function, Run::script_limits()));
                Ok(())
            })
        },
    ),
    row(
        "register_task(func[, arg1[, arg2[, …[, arg4]]]])",
        "runs `func(arg1, …)` beside the sessions: from the start of serving, or at once when called then",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |_, (function, args): (Function, Variadic<Value>)| {
                    if args.len() > TASK_ARGS_MAX {
                        return Err(error("register_task", "at most 4 arguments for the task"));
                    }
                    let args: MultiValue = args.into_iter().collect();
                    if env.stage() == Stage::Serve {
                        return task::spawn_from_script(&env, function, args);
                    }
                    let mut registry = env.registry();
                    if registry.tasks.len() >= env.settings.tasks_max {
                        let limit = env.settings.tasks_max;
                        return Err(error(
                            "register_task",
                            format!("{limit} tasks are registered, which is the limit"),
                        ));
                    }
                    registry.tasks.push((function, args, Run::script_limits()));
                    Ok(())
                },
            )
        },
    ),
];

const TASK_ARGS_MAX: usize = 4;

fn rule_set(word: &LuaString) -> Result<RuleSet> {
    let found = RuleSet::ALL
        .into_iter()
        .find(|rules| rules.name().as_bytes() == &*word.as_bytes());
    found.ok_or_else(|| {
        let known = RuleSet::ALL.map(RuleSet::name).join("`, `");
        let word = String::from_utf8_lossy(&word.as_bytes()).into_owned();
        error(
            "register_action",
            format!("unknown rule set `{word}`: `{known}` are known"),
        )
    })
}

/// The most words that a command has.
const COMMAND_WORDS_MAX: usize = 5;

fn command_words(path: &Table) -> Result<String> {
    let mut words = Vec::new();
    for word in path.sequence_values::<LuaString>() {
        let word = message(&word?.as_bytes());
        if word.is_empty()
            || word
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || matches!(c, ';' | '\\'))
        {
            return Err(bad_argument(1, "register_cli", "words without blanks expected"));
        }
        words.push(word);
    }
    match words.len() {
        1..=COMMAND_WORDS_MAX => Ok(words.join(" ")),
        0 => Err(bad_argument(
            1,
            "register_cli",
            "1st argument must be a table with a word at least",
        )),
        _ => {
            let why = format!("1st argument must be a table with a maximum of {COMMAND_WORDS_MAX} entries");
            Err(bad_argument(1, "register_cli", &why))
        }
    }
}

/// A name that the configuration can hold.
fn checked(name: &LuaString, function: &str) -> Result<String> {
    let text = name.to_str().ok().filter(|text| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':'))
    });
    match text {
        Some(text) => Ok(text.to_owned()),
        None => Err(bad_argument(
            1,
            function,
            "letters, digits, `_`, `.`, `-` and `:` expected in a name",
        )),
    }
}

fn add(env: &Env, name: &str, item: Item) -> Result<()> {
    if env.stage() != Stage::Load {
        return Err(error(name, "only possible while the scripts are loaded"));
    }
    let mut registry = env.registry();
    if registry.items.iter().any(|known| known.key == item.key) {
        return Err(Error::runtime(format!(
            "{name}: {} exists already",
            item.key.described()
        )));
    }
    registry.items.push(item);
    Ok(())
}
