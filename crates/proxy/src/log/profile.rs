//! `log-profile` sections: what lines hold at each step.

use tidegate_sample::LogOrigin;

use crate::rules::Text;

/// A step of a transaction at which a line may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LogStep {
    /// The connection was accepted.
    Accept,
    /// The request came.
    Request,
    /// The server is connected.
    Connect,
    /// The response came.
    Response,
    /// The transaction is over.
    Close,
}

impl LogStep {
    pub(crate) fn origin(self) -> LogOrigin {
        match self {
            LogStep::Accept => LogOrigin::Accept,
            LogStep::Request => LogOrigin::Request,
            LogStep::Connect => LogOrigin::Connect,
            LogStep::Response => LogOrigin::Response,
            LogStep::Close => LogOrigin::Close,
        }
    }
}

/// A `log-profile` section.
#[derive(Debug, Default)]
pub struct LogProfile {
    /// `log-tag`, in place of the proxy's.
    pub tag: Option<String>,
    /// `on` lines, by their steps: `close`, `error`, `any`, `http-req` and the like.
    pub steps: Vec<(String, StepFormat)>,
}

/// An `on` line.
#[derive(Debug, Default)]
pub struct StepFormat {
    /// `drop`: no line.
    pub drop: bool,
    /// `format`: in place of the proxy's `log-format` or `error-log-format`.
    pub line: Option<Text>,
    /// `sd`: in place of its `log-format-sd`.
    pub structured: Option<Text>,
}

impl LogProfile {
    /// The `on` line for a line of this origin, the most precise one.
    pub(crate) fn step(&self, origin: LogOrigin, is_error: bool) -> Option<&StepFormat> {
        let named = |name: &str| {
            let found = self.steps.iter().find(|(step, _)| step == name);
            found.map(|(_, format)| format)
        };
        let error = if is_error { named("error") } else { None };
        let step = match origin {
            LogOrigin::Accept => "accept",
            LogOrigin::Request => "request",
            LogOrigin::Connect => "connect",
            LogOrigin::Response => "response",
            LogOrigin::Close => "close",
            LogOrigin::SessionError | LogOrigin::SessionKilled => "error",
            LogOrigin::Unspecified => "any",
            LogOrigin::Rule(name) => name,
        };
        error.or_else(|| named(step)).or_else(|| named("any"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_precise_step_counts() {
        let on = |step: &str, text: &'static str| {
            let format = StepFormat {
                line: Some(Text::literal(text)),
                ..StepFormat::default()
            };
            (step.to_owned(), format)
        };
        let profile = LogProfile {
            tag: None,
            steps: vec![
                on("close", "c"),
                on("error", "e"),
                on("any", "a"),
                on("http-req", "r"),
            ],
        };
        let line = |origin, is_error| {
            let step = profile.step(origin, is_error);
            step.and_then(|s| s.line.as_ref()?.constant()).unwrap()
        };
        assert_eq!(line(LogOrigin::Close, false), "c");
        assert_eq!(line(LogOrigin::Close, true), "e");
        assert_eq!(line(LogOrigin::SessionError, false), "e");
        assert_eq!(line(LogOrigin::Accept, false), "a");
        assert_eq!(line(LogOrigin::Rule("http-req"), false), "r");
        assert_eq!(line(LogOrigin::Rule("http-res"), false), "a");
        let empty = LogProfile::default();
        assert!(empty.step(LogOrigin::Close, true).is_none());
    }
}
