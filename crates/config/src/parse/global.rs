//! The `global` section.

mod http;
mod http_client;
mod lua;
mod pending;
mod process;
mod stats;
mod table;
mod tls;
mod vars;

use super::args::{Args, Parsed, bad_argument};
use super::elsewhere;
use super::keyword::{Found, KeywordDoc, look_up};
use super::log::log_target;
use super::sampled;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{Global, ProcVar, ProcVarValue};
use crate::source::Span;
use crate::text::{Environment, Word};
use crate::units::TimeUnit;
use tidegate_sample::vars::{VarName, VarScope};
use tidegate_sample::{Files, Place, Scope};

/// The keywords for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    table::rows().chain(stats::rows())
}

/// What lines of the `global` section act on.
pub(crate) struct GlobalCx<'g> {
    pub(crate) global: &'g mut Global,
    pub(crate) environment: &'g mut Environment,
    /// The environment as the program was started with, for `resetenv`.
    pub(crate) files: &'g dyn Files,
    /// The command line gave the name of this process among its peers.
    pub(crate) local_name_is_given: bool,
    /// A `peers` section stands above.
    pub(crate) after_peers: bool,
    pub(crate) diagnostics: &'g mut Diagnostics,
}

/// Takes one line of the section in.
pub(crate) fn statement(cx: &mut GlobalCx<'_>, words: &[Word]) {
    let Some(keyword) = words.first() else { return };
    let mut args = Args::of_statement(keyword, words);
    let result = look_up(&table::TABLES, keyword, "", "in section `global`")
        .map_err(|diagnostic| elsewhere::known(diagnostic, keyword))
        .and_then(|found| match found {
            Found::Served(_, parse) => {
                parse(cx, &mut args)?;
                args.end()
            }
            Found::Nothing(notice) => {
                cx.diagnostics.push(*notice);
                Ok(())
            }
        });
    if let Err(diagnostic) = result {
        cx.diagnostics.push(*diagnostic);
    }
}

fn log(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let target = log_target(args)?;
    cx.global.logs.push(target);
    Ok(())
}

fn setenv(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let (name, value) = (variable_name(args)?, args.expect("a value")?);
    cx.environment.set(name, value.bytes());
    Ok(())
}

fn presetenv(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let (name, value) = (variable_name(args)?, args.expect("a value")?);
    if cx.environment.get(name).is_none() {
        cx.environment.set(name, value.bytes());
    }
    Ok(())
}

fn unsetenv(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    cx.environment.unset(variable_name(args)?);
    for word in args.take_rest() {
        cx.environment.unset(word.bytes());
    }
    Ok(())
}

fn resetenv(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let kept = args.take_rest();
    cx.environment
        .retain(|name| kept.iter().any(|word| word.bytes() == name));
    Ok(())
}

fn variable_name<'a>(args: &mut Args<'a>) -> Parsed<&'a [u8]> {
    let word = args.expect("the name of an environment variable")?;
    if word.bytes().is_empty() || word.bytes().contains(&b'=') {
        let message = format!("`{}` can't be the name of an environment variable", word.lossy());
        return bad_argument(word, message).map_err(|diagnostic: Box<Diagnostic>| {
            Box::new(match word.lossy().split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    diagnostic.help(format!("put a blank in place of the `=`: `{name} {value}`"))
                }
                _ => *diagnostic,
            })
        });
    }
    Ok(word.bytes())
}

fn set_var(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let (name, span) = process_variable(cx.files, args)?;
    let scope = Scope::new(Place::Configuration).with_files(cx.files);
    let value = ProcVarValue::Expr(sampled::expression(args.expect("an expression")?, &scope)?);
    cx.global.variables.push(ProcVar { name, span, value });
    Ok(())
}

fn set_var_fmt(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let (name, span) = process_variable(cx.files, args)?;
    let scope = Scope::new(Place::Configuration).with_files(cx.files);
    let value = ProcVarValue::Format(sampled::log_format(args.expect("a log-format string")?, &scope)?);
    cx.global.variables.push(ProcVar { name, span, value });
    Ok(())
}

fn process_variable(files: &dyn Files, args: &mut Args<'_>) -> Parsed<(VarName, Span)> {
    let word = args.expect("a variable such as `proc.name`")?;
    let name = sampled::variable(word, files)?;
    if name.scope() != VarScope::Proc {
        let message = format!("`{}` is not a variable of the process", word.lossy());
        return Err(Box::new(
            Diagnostic::error(code::BAD_VARIABLE_NAME, word.span(), message)
                .help("only variables whose name begins with `proc.` exist before there is a session"),
        ));
    }
    Ok((name, word.span()))
}

fn hard_stop_after(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    cx.global.hard_stop_after = Some(args.time(TimeUnit::Milliseconds)?);
    Ok(())
}

fn buffer_bytes(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    cx.global.tune.buffer_bytes = size_of_buffer(args)?;
    Ok(())
}

fn large_buffer_bytes(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    cx.global.tune.large_buffer_bytes = Some(size_of_buffer(args)?);
    Ok(())
}

fn size_of_buffer(args: &mut Args<'_>) -> Parsed<u32> {
    let size = args.peek();
    let bytes = args.size()?;
    match u32::try_from(bytes) {
        Ok(bytes) if (1024..=1 << 30).contains(&bytes) => Ok(bytes),
        _ => {
            let span = size.map_or(args.last(), Word::span);
            let message = "a buffer has from 1 KiB to 1 GiB";
            Err(Box::new(Diagnostic::error(code::BAD_NUMBER, span, message)))
        }
    }
}
