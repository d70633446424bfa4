//! `cache` sections, and the filters of proxies.

use std::sync::Arc;
use std::time::Duration;

use tidegate_sample::stick::Table;

use super::sampled::Expr;

use crate::source::{Span, Spanned};

/// A `cache` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// `total-max-size`, in megabytes.
    pub total_megabytes: u64,
    /// `max-object-size`, in bytes.
    pub object_bytes_max: u64,
    /// `max-age`.
    pub age_max: Duration,
    /// `process-vary`.
    pub process_vary: bool,
    /// `max-secondary-entries`.
    pub variants_max: u32,
    /// `early-hints`.
    pub early_hints: EarlyHints,
}

/// `early-hints`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EarlyHints {
    /// `off`.
    #[default]
    Off,
    /// `on`, and the percentage of `ratio`.
    On(u8),
    /// `only`.
    Only,
}

/// A `filter` line.
#[derive(Debug)]
pub struct Filter {
    /// What it says.
    pub kind: FilterKind,
    /// Its first word, by which `filter-sequence` knows it.
    pub name: String,
    /// Its name's place.
    pub span: Span,
}

/// `filter-sequence` lines: the names of the filters that messages meet, in that order; each is one of the proxy's.
#[derive(Debug, Default)]
pub struct FilterSequences {
    /// That of requests; without one, all of them as they are declared.
    pub request: Option<Vec<Spanned<String>>>,
    /// That of responses.
    pub response: Option<Vec<Spanned<String>>>,
}

/// What a `filter` line names.
#[derive(Debug)]
pub enum FilterKind {
    /// `compression`, `comp-req` or `comp-res`; what it does is for the `compression` lines to say.
    Compression,
    /// `cache <name>`
    Cache(Spanned<String>),
    /// `bwlim-in`, `bwlim-out`.
    Bandwidth(Bandwidth),
    /// `lua.<name> [<arg>...]`: one that a script registered.
    Lua(LuaFilter),
}

/// A `filter lua.NAME` line.
#[derive(Debug)]
pub struct LuaFilter {
    /// The name without `lua.`.
    pub name: Spanned<String>,
    /// The words after it.
    pub arguments: Vec<String>,
}

/// A `filter bwlim-in` or `filter bwlim-out` line.
#[derive(Debug)]
pub struct Bandwidth {
    /// Its name.
    pub name: Spanned<String>,
    /// `bwlim-in`: it limits what clients send.
    pub incoming: bool,
    /// `limit`, `default-limit`: bytes in a period.
    pub limit: u64,
    /// Who shares them.
    pub sharing: BandwidthSharing,
    /// `min-size`.
    pub bytes_min: u64,
}

/// Who shares the bytes of a period.
#[derive(Debug)]
pub enum BandwidthSharing {
    /// Nobody; `default-period`.
    Stream(Duration),
    /// `key` and `table`: those with the same key.
    Table(Expr, Arc<Table>),
}
