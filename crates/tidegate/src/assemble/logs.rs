//! Log lines: where they go, and what is in them.

use tidegate_config::model;
use tidegate_proxy::log::{Level, LogSpec, LogTarget, LogTo, LogWrap};
use tidegate_proxy::spec::Text;

/// What a proxy logs.
pub(super) fn spec(line: Option<model::LogFormat>, log: &model::LogSettings) -> LogSpec {
    LogSpec {
        targets: targets(&log.targets),
        line: line.map(Text::from),
        tag: log.tag.clone(),
        dont_log_null: log.skip_empty,
        dont_log_normal: log.skip_normal,
        separate_errors: log.separate_errors,
    }
}

/// The targets of `log` lines.
pub(crate) fn targets(lines: &[model::LogTarget]) -> Vec<LogTarget> {
    lines.iter().map(target).collect()
}

fn target(line: &model::LogTarget) -> LogTarget {
    let mut target = LogTarget::new(match &line.sink {
        model::LogSink::Stdout => LogTo::Stdout,
        model::LogSink::Stderr => LogTo::Stderr,
        model::LogSink::Fd(number) => LogTo::Fd(*number),
        model::LogSink::Udp(address) => LogTo::Udp(*address),
        model::LogSink::Unix(path) => LogTo::Unix(path.clone()),
    });
    target.wrap = match line.format {
        model::LogFormatKind::Default => target.wrap,
        model::LogFormatKind::Local => LogWrap::Local,
        model::LogFormatKind::Rfc3164 => LogWrap::Rfc3164,
        model::LogFormatKind::Rfc5424 => LogWrap::Rfc5424,
        model::LogFormatKind::Priority => LogWrap::Priority,
        model::LogFormatKind::Short => LogWrap::Short,
        model::LogFormatKind::Timed => LogWrap::Timed,
        model::LogFormatKind::Iso => LogWrap::Iso,
        model::LogFormatKind::Raw => LogWrap::Raw,
    };
    target.facility = line.facility.0;
    target.max_level = level(line.level);
    target.min_level = level(line.level_min);
    target.length_max = usize::try_from(line.line_bytes_max).unwrap_or(usize::MAX);
    target
}

/// The same level.
pub(super) fn level(level: model::LogLevel) -> Level {
    match level {
        model::LogLevel::Emerg => Level::Emergency,
        model::LogLevel::Alert => Level::Alert,
        model::LogLevel::Crit => Level::Critical,
        model::LogLevel::Err => Level::Error,
        model::LogLevel::Warning => Level::Warning,
        model::LogLevel::Notice => Level::Notice,
        model::LogLevel::Info => Level::Info,
        model::LogLevel::Debug => Level::Debug,
    }
}
