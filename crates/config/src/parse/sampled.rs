//! Expressions, ACLs, conditions and log-format strings: parsed by `tidegate-sample`, whose faults are brought
//! back to the characters that were written.

use std::borrow::Cow;

use tidegate_sample::logformat::LogFormat;
use tidegate_sample::raw::{encoded, position};
use tidegate_sample::vars::VarName;
use tidegate_sample::{AclSet, Condition};
use tidegate_sample::{Expr, Files, ParseError, Scope, WordError};

use super::args::Parsed;
use crate::diag::{Code, Diagnostic, Diagnostics, Severity, code};
use crate::text::Word;

/// An expression that is a whole word.
pub(crate) fn expression(word: &Word, scope: &Scope<'_>) -> Parsed<Expr> {
    Expr::parse(&encoded(word.bytes()), scope).map_err(|error| in_word(code::BAD_EXPRESSION, word, error))
}

/// A log-format string.
pub(crate) fn log_format(word: &Word, scope: &Scope<'_>) -> Parsed<LogFormat> {
    LogFormat::parse(&encoded(word.bytes()), scope)
        .map_err(|error| in_word(code::BAD_LOG_FORMAT, word, error))
}

/// A variable's name.
pub(crate) fn variable(word: &Word, files: &dyn Files) -> Parsed<VarName> {
    let name = VarName::parse(word.text()?).map_err(|error| in_word(code::BAD_VARIABLE_NAME, word, error))?;
    files.names_variable(&name);
    Ok(name)
}

/// The condition at the end of a rule, from its `if` or `unless` on.
pub(crate) fn condition(
    words: &[Word],
    acls: &AclSet,
    scope: &Scope<'_>,
    diagnostics: &mut Diagnostics,
) -> Parsed<Condition> {
    let texts = texts(words);
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    let condition = Condition::parse(&texts, acls, scope)
        .map_err(|error| in_words(code::BAD_RULE_CONDITION, words, error))?;
    for warning in condition.warnings() {
        diagnostics.push(as_warning(*in_words(
            code::BAD_RULE_CONDITION,
            words,
            warning.clone(),
        )));
    }
    Ok(condition)
}

/// The words after `acl`.
pub(crate) fn declare_acl(
    words: &[Word],
    acls: &mut AclSet,
    scope: &Scope<'_>,
    diagnostics: &mut Diagnostics,
) -> Parsed<()> {
    let texts = texts(words);
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    let warnings = acls
        .declare(&texts, scope)
        .map_err(|error| in_words(code::BAD_ACL, words, error))?;
    for warning in warnings {
        diagnostics.push(as_warning(*in_words(code::BAD_ACL, words, warning)));
    }
    Ok(())
}

/// Words as texts, whatever their bytes are.
fn texts(words: &[Word]) -> Vec<Cow<'_, str>> {
    words.iter().map(|word| encoded(word.bytes())).collect()
}

fn as_warning(mut diagnostic: Diagnostic) -> Diagnostic {
    diagnostic.severity = Severity::Warning;
    diagnostic
}

fn in_words(code: Code, words: &[Word], error: WordError) -> Box<Diagnostic> {
    match words.get(error.word) {
        Some(word) => in_word(code, word, error.error),
        None => {
            let Some(last) = words.last() else {
                return Box::new(Diagnostic::bare(Severity::Error, code, error.error.message));
            };
            let diagnostic = Diagnostic::error(code, last.span().after(), error.error.message.clone());
            with_advice(diagnostic, error.error)
        }
    }
}

/// Brings a fault back to the file; an empty range underlines the character that it is before.
pub(crate) fn in_word(code: Code, word: &Word, error: ParseError) -> Box<Diagnostic> {
    let span = if error.span.is_empty() && word.bytes().is_empty() {
        word.span()
    } else {
        let at = |place| position(word.bytes(), place);
        word.span_of(at(error.span.start), at(error.span.end))
    };
    with_advice(Diagnostic::error(code, span, error.message.clone()), error)
}

fn with_advice(mut diagnostic: Diagnostic, error: ParseError) -> Box<Diagnostic> {
    diagnostic.file = error.file;
    if let Some(suggestion) = error.suggestion {
        diagnostic = diagnostic.help(format!("did you mean `{suggestion}`?"));
    }
    if let Some(help) = error.help {
        diagnostic = diagnostic.help(help);
    }
    Box::new(diagnostic)
}
