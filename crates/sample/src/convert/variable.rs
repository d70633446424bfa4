//! Converters that set variables.

use super::string::variable_name;
use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::value::Type;
use crate::vars::{self, VarCond};

const SET: ArgSpec = ArgSpec::new(1, &[ArgKind::Str; 5]);

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "set-var",
        SET,
        Type::Any,
        Type::Same,
        "sets a variable to the value, which goes on unchanged; with conditions, only if all hold",
        {
            |s, args, v| {
                if let Arg::Var(name) = at(args, 0) {
                    let conditions = args.get(1..).unwrap_or_default();
                    let wanted = conditions.iter().all(|condition| {
                        VarCond::named(condition.text()).is_none_or(|condition| condition.holds(s, name, &v))
                    });
                    if !wanted {
                        return None;
                    }
                    vars::set(s, name, v.clone());
                }
                Some(v)
            }
        },
    )
    .prepared(|args| {
        named(args)?;
        for (index, condition) in args.iter().enumerate().skip(1) {
            let text = condition.text();
            if !text.is_empty() && VarCond::named(text).is_none() {
                let known = VarCond::NAMES.map(|(name, _)| name).join(", ");
                return Err(ArgError::new(index, format!("the conditions are {known}")));
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
