//! The text format of Prometheus: lines of samples below lines that say what they are.

use std::fmt::{Display, Write as _};

use super::metrics::Nature;
use crate::runtime::stat::fields::{Kind, Object};

/// The lines before the samples of a metric.
pub(super) struct Head<'m> {
    name: &'m str,
    nature: Nature,
    doc: &'m str,
}

impl<'m> Head<'m> {
    pub(super) fn new(name: &'m str, nature: Nature, doc: &'m str) -> Self {
        Head { name, nature, doc }
    }

    pub(super) fn write(&self, out: &mut String) {
        let Head { name, nature, doc } = self;
        let nature = match nature {
            Nature::Counter => "counter",
            Nature::Gauge => "gauge",
        };
        // Writing to a string can't fail.
        let _ = writeln!(out, "# HELP {name} {doc}\n# TYPE {name} {nature}");
    }
}

/// The labels of a sample, between its braces.
#[derive(Clone, Default)]
pub(super) struct Labels(String);

impl Labels {
    /// What tells a row from others.
    pub(super) fn of(row: &Object) -> Labels {
        let mut labels = Labels::default();
        labels.add("proxy", &row.proxy);
        match row.kind {
            Kind::Server => labels.add("server", &row.name),
            Kind::Listener => labels.add("listener", &row.name),
            Kind::Frontend | Kind::Backend => {}
        }
        labels
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        let Labels(text) = self;
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }

    /// With another one, if there is one.
    pub(super) fn with(&self, label: Option<(&str, &str)>) -> Labels {
        let mut labels = self.clone();
        if let Some((name, value)) = label {
            labels.add(name, value);
        }
        labels
    }
}

/// The line of a sample.
pub(super) fn sample(name: &str, Labels(labels): &Labels, value: impl Display, out: &mut String) {
    // Writing to a string can't fail.
    let _ = match labels.is_empty() {
        true => writeln!(out, "{name} {value}"),
        false => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut labels = Labels::default();
        let mut out = String::new();
        sample("a", &labels, 1, &mut out);
        labels.add("proxy", "a\\b\"c\nd");
        sample("a", &labels.with(Some(("code", "2xx"))), 1.5, &mut out);
        assert_eq!(out, "a 1\na{proxy=\"a\\\\b\\\"c\\nd\",code=\"2xx\"} 1.5\n");
    }
}
