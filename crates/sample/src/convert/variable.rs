//! Converters that set variables.

use super::string::variable_name;
use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::value::Type;
use crate::vars;

const SET: ArgSpec = ArgSpec::new(1, &[ArgKind::Str; 5]);

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "set-var",
        SET,
        Type::Any,
        Type::Same,
        "sets a variable to the value, which goes on unchanged",
        {
            |s, args, v| {
                if let Arg::Var(name) = at(args, 0) {
                    let conditions = args.get(1..).unwrap_or_default();
                    let wanted = conditions.iter().all(|condition| match condition.text() {
                        b"ifexists" => vars::value(s, name).is_some(),
                        b"ifnotexists" => vars::value(s, name).is_none(),
                        b"ifnotempty" => !crate::cast::text(v.clone()).is_some_and(|text| text.is_empty()),
                        b"ifempty" => crate::cast::text(v.clone()).is_some_and(|text| text.is_empty()),
                        b"ifnotset" => vars::value(s, name).is_none(),
                        b"ifset" => vars::value(s, name).is_some(),
                        _ => true,
                    });
                    if wanted {
                        vars::set(s, name, v.clone());
                    }
                }
                Some(v)
            }
        },
    )
    .prepared(|args| {
        named(args)?;
        for (index, condition) in args.iter().enumerate().skip(1) {
            match condition.text() {
                b"" | b"ifexists" | b"ifnotexists" | b"ifempty" | b"ifnotempty" | b"ifset" | b"ifnotset" => {}
                _ => {
                    let message =
                        "the conditions are ifexists, ifnotexists, ifempty, ifnotempty, ifset, ifnotset";
                    return Err(ArgError::new(index, message));
                }
            }
        }
        Ok(())
    }),
    row(
        "unset-var",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Any,
        Type::Same,
        "removes a variable; the value goes on unchanged",
        |s, args, v| {
            if let Arg::Var(name) = at(args, 0) {
                vars::unset(s, name);
            }
            Some(v)
        },
    )
    .prepared(named),
];

fn named(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    let name = variable_name(at(args, 0)).map_err(|message| ArgError::new(0, message))?;
    if let Some(arg) = args.first_mut() {
        *arg = Arg::Var(name);
    }
    Ok(())
}
