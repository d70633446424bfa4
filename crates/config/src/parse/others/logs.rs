//! `traces`: where traces go.

use super::forms::{line, nothing_more, words};
use super::{Header, Other};
use crate::parse::keyword::Status;

pub(super) const TRACES: Other = Other {
    name: "traces",
    arguments: "",
    doc: "what is traced",
    status: Status::LeftOut("there are no traces of HAProxy's own code"),
    header: Header::Nothing,
    rows: &[line("trace", "<source> [<arg>...]", "trace a part", words)],
    end: nothing_more,
};
