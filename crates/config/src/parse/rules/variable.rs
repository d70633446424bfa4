//! What is between the parentheses of `set-var(...)` and its kin.

use tidegate_sample::Files;
use tidegate_sample::vars::{Assignment, VarCond, VarName};

use crate::diag::{Diagnostic, Severity, code};
use crate::parse::args::{Parsed, bad_argument, pick};
use crate::parse::sampled;
use crate::source::Spanned;
use crate::text::Word;

/// `NAME[,COND...]`, from what is between the parentheses.
pub(crate) fn assignment(inner: Option<&Word>, files: &dyn Files) -> Parsed<Assignment> {
    let (name, rest) = name_and_rest(inner, files)?;
    let conditions = rest
        .iter()
        .map(|word| pick(word, "a condition of a variable", &VarCond::NAMES));
    Ok(Assignment {
        name,
        conditions: conditions.collect::<Parsed<_>>()?,
    })
}

/// `NAME`, from what is between the parentheses.
pub(crate) fn variable(inner: Option<&Word>, files: &dyn Files) -> Parsed<VarName> {
    let (name, rest) = name_and_rest(inner, files)?;
    match rest.first() {
        Some(extra) => bad_argument(extra, "conditions are for setting a variable"),
        None => Ok(name),
    }
}

/// `NAME,RESOLVERS[,FAMILY]`: a variable, the section whose name servers are asked, and whether IPv4 is preferred.
pub(crate) fn resolution(
    inner: Option<&Word>,
    files: &dyn Files,
) -> Parsed<(VarName, Spanned<String>, bool)> {
    let (name, rest) = name_and_rest(inner, files)?;
    let mut rest = rest.into_iter();
    let Some(resolvers) = rest.next().filter(|word| !word.bytes().is_empty()) else {
        let message = "the name of a `resolvers` section is missing in the parentheses";
        return Err(Box::new(match inner {
            Some(inner) => Diagnostic::error(code::MISSING_ARGUMENT, inner.span(), message),
            None => Diagnostic::bare(Severity::Error, code::MISSING_ARGUMENT, message),
        }));
    };
    let prefer_v4 = match rest.next() {
        Some(word) => pick(&word, "a family of addresses", &[("ipv4", true), ("ipv6", false)])?,
        None => false,
    };
    match rest.next() {
        Some(extra) => bad_argument(&extra, "nothing follows the family of addresses"),
        None => {
            let section = Spanned::new(resolvers.text()?.to_owned(), resolvers.span());
            Ok((name, section, prefer_v4))
        }
    }
}

fn name_and_rest(inner: Option<&Word>, files: &dyn Files) -> Parsed<(VarName, Vec<Word>)> {
    const MISSING: &str = "the name of a variable is missing in the parentheses";
    let missing = |diagnostic| Err(Box::new(diagnostic));
    let Some(inner) = inner else {
        return missing(Diagnostic::bare(
            Severity::Error,
            code::BAD_VARIABLE_NAME,
            MISSING,
        ));
    };
    let mut from = 0;
    let mut parts = inner.bytes().split(|byte| *byte == b',').map(|part| {
        let (start, end) = (from, from + part.len());
        from = end + 1;
        inner.part(start, end)
    });
    match parts.next().filter(|name| !name.bytes().is_empty()) {
        Some(name) => Ok((sampled::variable(&name, files)?, parts.collect())),
        None => missing(Diagnostic::error(code::BAD_VARIABLE_NAME, inner.span(), MISSING)),
    }
}
