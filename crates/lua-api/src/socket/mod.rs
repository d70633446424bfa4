//! The Socket class.

use crate::row::{Row, row};
use crate::unsupported::refusal;

pub(crate) const CORE_ROWS: &[Row] = &[row("tcp()", "a new Socket", |lua, name, _| {
    refusal(lua, name, "core.tcp is not supported yet".to_owned())
})];

pub(crate) const ROWS: &[Row] = &[];
