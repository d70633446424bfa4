//! Faults in files of patterns and maps: told where they are, with the place that names the file.

use std::collections::HashSet;

use tidegate_sample::pattern::FileFaults;

use crate::diag::{Diagnostic, Diagnostics, code};
use crate::source::{FileId, Sources, Span, to_u32};

/// Puts the faults of each file in the place of the one that says that there are some.
pub(crate) fn expand(diagnostics: &mut Diagnostics, sources: &mut Sources) {
    // A file that two lines name has each of its faults once, even if they match it in two ways.
    let mut known: Vec<(String, FileId)> = Vec::new();
    let mut told: HashSet<Span> = HashSet::new();
    diagnostics.replace_each(|mut diagnostic| {
        let Some(faults) = diagnostic.file.take() else {
            return vec![diagnostic];
        };
        let file = match known.iter().find(|(name, _)| *name == faults.name) {
            Some((_, file)) => *file,
            None => {
                let file = sources.add(faults.name.as_str(), faults.text.to_vec());
                known.push((faults.name.clone(), file));
                file
            }
        };
        let mut each = each(&diagnostic, &faults, file);
        each.retain(|diagnostic| {
            diagnostic
                .primary
                .as_ref()
                .is_none_or(|label| told.insert(label.span))
        });
        each
    });
}

fn each(named: &Diagnostic, faults: &FileFaults, file: FileId) -> Vec<Diagnostic> {
    let found = faults.faults.iter().map(|(range, message)| {
        let span = Span {
            file,
            start: to_u32(range.start),
            end: to_u32(range.end),
        };
        let mut diagnostic = Diagnostic::error(code::BAD_PATTERN, span, message);
        if let Some(label) = &named.primary {
            diagnostic = diagnostic.related(label.span, "the file is used here");
        }
        diagnostic
    });
    let mut each: Vec<Diagnostic> = found.collect();
    let more = faults.total.saturating_sub(each.len());
    if let Some(last) = each.last_mut().filter(|_| more > 0) {
        last.notes
            .push(format!("the file has {more} more entries like this"));
    }
    each
}
