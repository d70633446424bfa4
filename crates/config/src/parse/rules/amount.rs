//! Integers that actions take: written, or given by an expression.

use tidegate_sample::Scope;

use crate::model::Amount;
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::sampled;
use crate::text::Word;
use crate::units::TimeUnit;

/// `{ <time> | <expr> }`, in milliseconds.
pub(super) fn time(args: &mut Args<'_>, scope: &Scope<'_>) -> Parsed<Amount> {
    if is_number(args) {
        let time = args.time(TimeUnit::Milliseconds)?;
        return Ok(Amount::Fixed(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)));
    }
    expression(args, scope, "a time or an expression")
}

/// `{ <size> | <expr> }`, in bytes.
pub(super) fn size(args: &mut Args<'_>, scope: &Scope<'_>) -> Parsed<Amount> {
    if is_number(args) {
        return Ok(Amount::Fixed(i64::try_from(args.size()?).unwrap_or(i64::MAX)));
    }
    expression(args, scope, "a size or an expression")
}

/// `{ <int> | <expr> }`; the integer may be hexadecimal.
pub(super) fn integer(args: &mut Args<'_>, scope: &Scope<'_>, max: u64) -> Parsed<Amount> {
    if let Some(word) = args.peek()
        && let Some(digits) = word.lossy().to_ascii_lowercase().strip_prefix("0x")
    {
        args.next();
        return match i64::from_str_radix(digits, 16) {
            Ok(number) if u64::try_from(number).is_ok_and(|number| number <= max) => {
                Ok(Amount::Fixed(number))
            }
            _ => bad_argument(word, format!("`{}` isn't from 0 to {max:#x}", word.lossy())),
        };
    }
    if is_number(args) {
        return Ok(Amount::Fixed(args.integer(0, max)?));
    }
    expression(args, scope, "an integer or an expression")
}

/// `<expr>`
pub(super) fn expression(args: &mut Args<'_>, scope: &Scope<'_>, what: &str) -> Parsed<Amount> {
    let word = args.expect(what)?;
    Ok(Amount::Sampled(sampled::expression(word, scope)?))
}

/// The argument of `set-nice`.
pub(super) fn nice(args: &mut Args<'_>) -> Parsed<()> {
    let word: &Word = args.expect("an integer from -1024 to 1024")?;
    match word.text()?.parse::<i32>() {
        Ok(-1024..=1024) => Ok(()),
        _ => bad_argument(
            word,
            format!("`{}` isn't an integer from -1024 to 1024", word.lossy()),
        ),
    }
}

fn is_number(args: &Args<'_>) -> bool {
    args.peek()
        .is_some_and(|word| word.bytes().first().is_some_and(u8::is_ascii_digit))
}
