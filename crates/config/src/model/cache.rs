//! `cache` sections, and the filters of proxies.

use std::time::Duration;

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
    /// Its name's place.
    pub span: Span,
}

/// What a `filter` line names.
#[derive(Debug)]
pub enum FilterKind {
    /// `compression`, `comp-req` or `comp-res`; what it does is for the `compression` lines to say.
    Compression,
    /// `cache <name>`
    Cache(Spanned<String>),
}
