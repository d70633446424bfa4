//! What log lines hold.

use tidegate_sample::Place;
use tidegate_sample::logformat::{
    CLF_FORMAT, HTTP_FORMAT, HTTPS_FORMAT, LogFormat, TCP_CLF_FORMAT, TCP_FORMAT,
};

use super::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::{LogStep, Mode};
use crate::parse::args::{Args, Parsed, pick};
use crate::parse::log::{add_global, log_target};
use crate::parse::sampled;
use crate::source::Span;
use crate::text::Word;

/// Which line decided what log lines hold; the last one counts.
#[derive(Debug, Clone)]
pub(crate) enum FormatSource {
    /// `option httplog`.
    Http(Span),
    /// `option httplog clf`.
    Clf(Span),
    /// `option tcplog`.
    Tcp(Span),
    /// `option tcplog clf`.
    TcpClf(Span),
    /// `option httpslog`.
    Https(Span),
    /// `log-format`.
    Written(Word),
}

/// `log global` or `log TARGET ...`.
pub(super) fn log(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    if args.peek().is_some_and(|word| word.is("global")) {
        args.next();
        add_global(&mut cx.proxy.log.targets, &cx.global.logs);
        return Ok(());
    }
    let target = log_target(args)?;
    cx.proxy.log.targets.push(target);
    Ok(())
}

/// `log-format`: checked at once, and put to use when the whole section is known.
pub(super) fn log_format(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("a log-format string")?;
    parse_log(cx, word)?;
    cx.log_format = Some(FormatSource::Written(word.clone()));
    Ok(())
}

/// `error-log-format`
pub(super) fn error_log_format(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let format = parse_log(cx, args.expect("a log-format string")?)?;
    cx.proxy.log.error_format = Some(format);
    Ok(())
}

/// `log-format-sd`
pub(super) fn log_format_sd(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let format = parse_log(cx, args.expect("a log-format string")?)?;
    cx.proxy.log.structured = Some(format);
    Ok(())
}

/// `log-steps`
pub(super) fn log_steps(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("steps such as `accept,close`")?;
    let all = LogStep::NAMES.map(|(_, step)| step).to_vec();
    let mut steps = Vec::new();
    let mut at = 0;
    for name in word.text()?.split(',') {
        let part = word.part(at, at + name.len());
        at += name.len() + 1;
        if part.is("all") {
            steps.clone_from(&all);
        } else {
            steps.push(pick(&part, "a step of logging", &LogStep::NAMES)?);
        }
    }
    cx.proxy.log.steps = steps;
    Ok(())
}

/// `unique-id-format`
pub(super) fn unique_id_format(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("a log-format string")?;
    // A backend makes ids in its checks alone.
    let scope = match cx.proxy.kind.is_frontend() {
        true => cx.scope(Place::FrontendHttpRequest),
        false => cx.scope(Place::Check).without_session(),
    };
    let format = LogFormat::parse_log(word.text()?, &scope.with_acls(&cx.acls))
        .map_err(|error| sampled::in_word(code::BAD_LOG_FORMAT, word, error))?;
    cx.proxy.unique_id = Some(format);
    Ok(())
}

fn parse_log(cx: &ProxyCx<'_>, word: &Word) -> Parsed<LogFormat> {
    LogFormat::parse_log(word.text()?, &cx.scope(Place::Log).with_acls(&cx.acls))
        .map_err(|error| sampled::in_word(code::BAD_LOG_FORMAT, word, error))
}

/// Decides what log lines hold, at the end of the section.
pub(crate) fn settle_format(cx: &mut ProxyCx<'_>) {
    let Some(source) = cx.log_format.take() else {
        return;
    };
    let is_http = cx.proxy.mode == Mode::Http;
    let (text, span) = match source {
        FormatSource::Written(word) => {
            // it was parsed where it stands, and faults were reported there
            cx.proxy.log.format = parse_log(cx, &word).ok();
            return;
        }
        FormatSource::Tcp(span) => (TCP_FORMAT, span),
        FormatSource::TcpClf(span) => (TCP_CLF_FORMAT, span),
        FormatSource::Http(span) if is_http => (HTTP_FORMAT, span),
        FormatSource::Clf(span) if is_http => (CLF_FORMAT, span),
        FormatSource::Https(span) if is_http => (HTTPS_FORMAT, span),
        FormatSource::Http(span) | FormatSource::Clf(span) | FormatSource::Https(span) => {
            if !cx.in_defaults() {
                let message = format!(
                    "`option httplog` needs `mode http`, which {} has not",
                    cx.described()
                );
                cx.diagnostics.push(
                    Diagnostic::warning(code::WRONG_MODE, span, message).note("taken for `option tcplog`"),
                );
            }
            (TCP_FORMAT, span)
        }
    };
    match LogFormat::parse_log(text, &cx.scope(Place::Log).with_acls(&cx.acls)) {
        Ok(format) => cx.proxy.log.format = Some(format),
        Err(error) => {
            cx.diagnostics
                .push(Diagnostic::error(code::BAD_LOG_FORMAT, span, error.message));
        }
    }
}
