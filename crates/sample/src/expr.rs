//! Expressions: a fetch and the converters that its sample goes through.

use crate::acl::{AclCall, AclCallError};
use crate::arg::{self, Arg, ArgText};
use crate::cast::{cast, castable};
use crate::convert::{self, ConverterRow};
use crate::did_you_mean::did_you_mean;
use crate::error::ParseError;
use crate::fetch::{self, Begun, FetchRow, Run};
use crate::place::{Place, Places};
use crate::scope::{ExternalId, ExternalRunner, Scope};
use crate::session::Session;
use crate::unsupported;
use crate::userlist::UserList;
use crate::value::{Type, Value};
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::str::FromStr;
use std::sync::Arc;

/// A parsed expression, `fetch(args),converter(args),…`, ready to be evaluated by any thread.
#[derive(Debug)]
pub struct Expr {
    text: Box<str>,
    source: Source,
    steps: Box<[Step]>,
    output: Type,
    places: Places,
    /// Whether evaluation may have to wait.
    suspends: bool,
    /// Whether it gives nothing where it can't wait.
    calls_script: bool,
}

#[derive(Debug)]
enum Source {
    Builtin {
        row: &'static FetchRow,
        args: Box<[Arg]>,
    },
    Acls(AclCall),
    External {
        id: ExternalId,
        args: Box<[Value]>,
    },
}

impl Source {
    fn args(&self) -> &[Arg] {
        match self {
            Source::Builtin { args, .. } => args,
            Source::Acls(_) | Source::External { .. } => &[],
        }
    }

    fn suspends(&self) -> bool {
        match self {
            Source::Builtin { row, .. } => matches!(row.run, Run::Long { .. } | Run::Waiting { .. }),
            Source::Acls(acls) => acls.suspends(),
            Source::External { .. } => true,
        }
    }

    fn calls_script(&self) -> bool {
        match self {
            Source::Builtin { .. } => false,
            Source::Acls(acls) => acls.calls_script(),
            Source::External { .. } => true,
        }
    }
}

#[derive(Debug)]
enum Step {
    Builtin {
        row: &'static ConverterRow,
        args: Box<[Arg]>,
    },
    External {
        id: ExternalId,
        args: Box<[Value]>,
    },
}

impl Step {
    fn args(&self) -> &[Arg] {
        match self {
            Step::Builtin { args, .. } => args,
            Step::External { .. } => &[],
        }
    }
}

impl Expr {
    /// Parses a text that is one expression and nothing else.
    ///
    /// # Errors
    /// Anything that keeps the text from being an expression that can be evaluated in `scope`: an unknown
    /// name, a wrong argument, types that cannot follow each other, a fetch whose data cannot exist in that
    /// place, something that may suspend where the place cannot wait.
    pub fn parse(text: &str, scope: &Scope<'_>) -> Result<Expr, ParseError> {
        let (expr, used) = Expr::parse_prefix(text, scope)?;
        match text.get(used..) {
            None | Some("") => Ok(expr),
            Some(rest) => Err(ParseError::new(
                used..text.len(),
                format!("unexpected `{rest}` after the expression"),
            )
            .help("a converter follows after a comma")),
        }
    }

    /// Parses the expression that `text` begins with; returns it and its length.
    ///
    /// # Errors
    /// As [`Expr::parse`].
    pub fn parse_prefix(text: &str, scope: &Scope<'_>) -> Result<(Expr, usize), ParseError> {
        let call = Call::read(text, 0)?;
        if call.name.is_empty() {
            return Err(ParseError::new(
                0..text.chars().next().map_or(0, char::len_utf8),
                "missing the name of a fetch",
            ));
        }
        let (source, mut output, places) = source(&call, scope)?;
        let mut end = call.span.end;
        let mut steps = Vec::new();
        while text.get(end..).is_some_and(|rest| rest.starts_with(',')) {
            let call = Call::read(text, end + 1)?;
            if call.name.is_empty() {
                return Err(
                    ParseError::new(end..end + 1, "missing the name of a converter after the comma")
                        .help("an expression is one word: write no blanks in it"),
                );
            }
            let (step, to) = step(&call, output, scope)?;
            output = to;
            steps.push(step);
            end = call.span.end;
        }
        let external = steps.iter().any(|step| matches!(step, Step::External { .. }));
        let (suspends, calls_script) = (source.suspends() || external, source.calls_script() || external);
        for name in source
            .args()
            .iter()
            .chain(steps.iter().flat_map(Step::args))
            .filter_map(Arg::variable)
        {
            scope.files.names_variable(name);
        }
        let text = text.get(..end).unwrap_or(text);
        let expr = Expr {
            text: text.into(),
            source,
            steps: steps.into(),
            output,
            places,
            suspends,
            calls_script,
        };
        if let Some(place) = scope.place {
            expr.check(place, scope.has_session)?;
        }
        Ok((expr, end))
    }

    /// The expression of one fetch whose arguments are already values, as scripts call it.
    ///
    /// # Errors
    /// As [`Expr::parse`]; spans are all zero.
    pub fn of_fetch(name: &str, args: &[Value], scope: &Scope<'_>) -> Result<Expr, ParseError> {
        let call = Call {
            name,
            args: arg_texts(args),
            list: 0..0,
            span: 0..0,
        };
        let (source, output, places) = source(&call, scope)?;
        let (suspends, calls_script) = (source.suspends(), source.calls_script());
        let expr = Expr {
            text: name.into(),
            source,
            steps: Box::default(),
            output,
            places,
            suspends,
            calls_script,
        };
        if let Some(place) = scope.place {
            expr.check(place, scope.has_session)?;
        }
        Ok(expr)
    }

    /// Checks the expression against a place; the scope it was parsed in did so unless it named none.
    ///
    /// # Errors
    /// Its data cannot exist there, or it calls a script and the place has no session.
    pub fn check(&self, place: Place, has_session: bool) -> Result<(), ParseError> {
        let span = 0..self.text.len();
        if !self.places.contains(place) {
            return Err(ParseError::new(
                span,
                format!("`{}` cannot be used in {}", self.text, place.name()),
            )
            .help(format!("it can be used {}", self.places.directives())));
        }
        if self.calls_script && !has_session {
            return Err(ParseError::new(
                span,
                format!(
                    "`{}` is a script's, which needs a session, and {} has none",
                    self.text,
                    place.name()
                ),
            ));
        }
        Ok(())
    }

    /// The expression's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The type of the value, as far as it is known before evaluation.
    #[must_use]
    pub fn output(&self) -> Type {
        self.output
    }

    /// Where the expression's data can exist.
    #[must_use]
    pub fn places(&self) -> Places {
        self.places
    }

    /// Whether evaluation may have to wait: then [`Expr::eval_async`] is the way.
    #[must_use]
    pub fn suspends(&self) -> bool {
        self.suspends
    }

    /// Whether evaluation calls a script.
    pub(crate) fn calls_script(&self) -> bool {
        self.calls_script
    }

    /// The userlist that the fetch asks.
    pub(crate) fn userlist(&self) -> Option<&Arc<UserList>> {
        match &self.source {
            Source::Builtin { args, .. } => args.iter().find_map(|arg| match arg {
                Arg::UserList(list) => Some(list),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Whether the sample goes through converters.
    pub(crate) fn converts(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Whether the value may be another one when more data came, and more may come.
    pub fn may_change(&self, session: &dyn Session) -> bool {
        session.may_change()
            && match &self.source {
                Source::Builtin { row, args } => row.may_change(session, args),
                Source::Acls(acls) => acls.may_change(session),
                Source::External { .. } => false,
            }
    }

    /// Evaluates an expression without waiting. A fetch or converter of a script that tries to gives no sample; what
    /// else suspends takes its time.
    pub fn eval(&self, session: &dyn Session) -> Option<Value> {
        match &self.source {
            Source::Builtin { row, args } => self.convert(session, row.run.one(session, args)?),
            Source::Acls(acls) => self.convert(session, acls.eval(session)?),
            Source::External { id, args } => {
                self.convert(session, session.scripts()?.fetch_now(*id, session, args)?)
            }
        }
    }

    /// Evaluates for each of the values that the fetch has (every occurrence of a header), until `visit`
    /// breaks. As [`Expr::eval`], it doesn't wait.
    pub fn eval_each(
        &self,
        session: &dyn Session,
        visit: &mut dyn FnMut(Value) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match &self.source {
            Source::Builtin {
                row:
                    FetchRow {
                        run: Run::Many { each, .. },
                        ..
                    },
                args,
            } => each(session, args, &mut |value| match self.convert(session, value) {
                Some(value) => visit(value),
                None => ControlFlow::Continue(()),
            }),
            _ => self.eval(session).map_or(ControlFlow::Continue(()), visit),
        }
    }

    /// Whether one of the values that the fetch has `is` what is wanted, once converted: [`Expr::eval_each`] for what
    /// suspends.
    pub(crate) async fn any_async(
        &self,
        session: &dyn Session,
        runner: &dyn ExternalRunner,
        is: &dyn Fn(Value) -> bool,
    ) -> bool {
        let Source::Builtin {
            row: FetchRow {
                run: Run::Many { each, .. },
                ..
            },
            args,
        } = &self.source
        else {
            return self.eval_async(session, runner).await.is_some_and(is);
        };
        let mut values = Vec::new();
        let _ = each(session, args, &mut |value| {
            values.push(value);
            ControlFlow::Continue(())
        });
        for value in values {
            if self.convert_async(session, runner, value).await.is_some_and(is) {
                return true;
            }
        }
        false
    }

    /// Evaluates any expression, waiting where it must. One that does not suspend never waits.
    pub async fn eval_async(&self, session: &dyn Session, runner: &dyn ExternalRunner) -> Option<Value> {
        if !self.suspends {
            return self.eval(session);
        }
        let value = match &self.source {
            Source::Builtin { row, args } => match &row.run {
                Run::Long { begin, .. } => match begin(session, args) {
                    Begun::Known(value) => value?,
                    Begun::Work(work) => runner.long_work(work).await?,
                },
                Run::Waiting { wait, .. } => wait(session, runner).await?,
                run => run.one(session, args)?,
            },
            // Boxed: their own expressions may be made of ACLs too.
            Source::Acls(acls) => Box::pin(acls.eval_async(session, runner)).await?,
            Source::External { id, args } => runner.fetch(*id, session, args).await?,
        };
        self.convert_async(session, runner, value).await
    }

    async fn convert_async(
        &self,
        session: &dyn Session,
        runner: &dyn ExternalRunner,
        mut value: Value,
    ) -> Option<Value> {
        for step in &self.steps {
            value = match step {
                Step::Builtin { row, args } => row.apply(session, args, value)?,
                Step::External { id, args } => {
                    runner
                        .convert(*id, session, cast(value, Type::Str)?, args)
                        .await?
                }
            };
        }
        Some(value)
    }

    fn convert(&self, session: &dyn Session, mut value: Value) -> Option<Value> {
        for step in &self.steps {
            value = match step {
                Step::Builtin { row, args } => row.apply(session, args, value)?,
                Step::External { id, args } => {
                    let input = cast(value, Type::Str)?;
                    session.scripts()?.convert_now(*id, session, input, args)?
                }
            };
        }
        Some(value)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One converter with its arguments, outside of any expression, as scripts call it.
#[derive(Debug)]
pub struct Converter {
    step: Step,
}

impl Converter {
    /// The converter `name` with these arguments.
    ///
    /// # Errors
    /// It is unknown or the arguments are not what it takes; spans are all zero.
    pub fn new(name: &str, args: &[Value], scope: &Scope<'_>) -> Result<Converter, ParseError> {
        let call = Call {
            name,
            args: arg_texts(args),
            list: 0..0,
            span: 0..0,
        };
        step(&call, Type::Any, scope).map(|(step, _)| Converter { step })
    }

    /// Whether it may have to wait: then [`Converter::apply_async`] is the way.
    #[must_use]
    pub fn suspends(&self) -> bool {
        matches!(self.step, Step::External { .. })
    }

    /// Converts a value; a converter that suspends gives none.
    pub fn apply(&self, session: &dyn Session, input: Value) -> Option<Value> {
        match &self.step {
            Step::Builtin { row, args } => row.apply(session, args, input),
            Step::External { .. } => None,
        }
    }

    /// Converts a value, waiting if it must.
    pub async fn apply_async(
        &self,
        session: &dyn Session,
        runner: &dyn ExternalRunner,
        input: Value,
    ) -> Option<Value> {
        match &self.step {
            Step::Builtin { row, args } => row.apply(session, args, input),
            Step::External { id, args } => runner.convert(*id, session, cast(input, Type::Str)?, args).await,
        }
    }
}

/// Converters one after the other, for what comes from no fetch.
#[derive(Debug)]
pub struct Chain(Expr);

impl Chain {
    /// The converters of `text`, with commas between them; they get a string.
    ///
    /// # Errors
    /// As [`Expr::parse`], and a converter that may have to wait; spans are those of `text`.
    pub fn parse(text: &str, scope: &Scope<'_>) -> Result<Chain, ParseError> {
        // Any string stands for the one to come.
        const FETCH: &str = "str(-),";
        let shifted = |span: Range<usize>| {
            let back = |at: usize| at.saturating_sub(FETCH.len());
            back(span.start)..back(span.end)
        };
        Expr::parse(&format!("{FETCH}{text}"), scope)
            .map(Chain)
            .map_err(|error| ParseError {
                span: shifted(error.span),
                ..error
            })
    }

    /// Whether a converter may have to wait: it gives nothing then.
    #[must_use]
    pub fn suspends(&self) -> bool {
        self.0.suspends()
    }

    /// What becomes of a value.
    pub fn apply(&self, session: &dyn Session, input: Value) -> Option<Value> {
        self.0.convert(session, input)
    }
}

/// A name and its arguments as they stand in the text.
struct Call<'a> {
    name: &'a str,
    args: Vec<ArgText>,
    /// The argument list with its parentheses, or the name if there is none.
    list: Range<usize>,
    span: Range<usize>,
}

impl<'a> Call<'a> {
    fn read(text: &'a str, start: usize) -> Result<Call<'a>, ParseError> {
        let rest = text.get(start..).unwrap_or_default();
        let len = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        let (mut args, used) = arg::parse_list(after).map_err(|error| error.shifted(start + len))?;
        for arg in &mut args {
            arg.span = arg.span.start + start + len..arg.span.end + start + len;
        }
        let end = start + len + used;
        let list = if used == 0 { start..end } else { start + len..end };
        Ok(Call {
            name,
            args,
            list,
            span: start..end,
        })
    }

    fn name_span(&self) -> Range<usize> {
        self.span.start..self.span.start + self.name.len().min(self.span.len())
    }

    fn values(&self) -> Box<[Value]> {
        self.args
            .iter()
            .filter(|arg| self.args.len() > 1 || !arg.text.is_empty() || !arg.span.is_empty())
            .map(|arg| Value::str(arg.text.as_str()))
            .collect()
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | ':')
}

fn arg_texts(args: &[Value]) -> Vec<ArgText> {
    args.iter()
        .map(|value| ArgText {
            text: match cast(value.clone(), Type::Str) {
                Some(Value::Str(text)) => String::from_utf8_lossy(&text).into_owned(),
                _ => String::new(),
            },
            // Not the empty span of `name()`: an empty value is an argument all the same.
            span: 0..1,
        })
        .collect()
}

fn source(call: &Call<'_>, scope: &Scope<'_>) -> Result<(Source, Type, Places), ParseError> {
    if let Some(row) = fetch::find(call.name) {
        let prepare = |args: &mut Vec<Arg>| row.prepare.map_or(Ok(()), |prepare| prepare(args));
        let args = arg::resolve(row.name, row.args, prepare, &call.args, call.list.clone(), scope)?;
        if row.name == "acl" {
            let acls = acls(call, scope)?;
            let places = row.places.and(acls.places());
            return Ok((Source::Acls(acls), row.output, places));
        }
        return Ok((Source::Builtin { row, args }, row.output, row.places));
    }
    if let Some(id) = scope.externals.fetch(call.name) {
        return Ok((
            Source::External {
                id,
                args: call.values(),
            },
            // Scripts may give any type; text is what it is taken for before it is there.
            Type::Str,
            Places::ALL,
        ));
    }
    if let Some(why) = fetch::unserved_reason(call.name) {
        return Err(refused("fetch", call, why));
    }
    let known = scope.externals.fetch_names();
    let names = fetch::all()
        .map(|row| row.name)
        .chain(known.iter().map(String::as_str));
    Err(
        ParseError::new(call.name_span(), format!("unknown fetch `{}`", call.name))
            .suggest(did_you_mean(call.name, names)),
    )
}

/// The ACLs that the arguments of `acl()` name.
fn acls(call: &Call<'_>, scope: &Scope<'_>) -> Result<AclCall, ParseError> {
    if call.args.is_empty() {
        return Err(ParseError::new(
            call.name_span(),
            "`acl` misses the name of an ACL",
        ));
    }
    let names = call.args.iter().map(|arg| arg.text.as_str());
    AclCall::new(names, scope).map_err(|error: AclCallError| {
        let span = call
            .args
            .get(error.index)
            .map_or(call.list.clone(), |arg| arg.span.clone());
        ParseError::new(span, error.message).suggest(error.suggestion)
    })
}

/// The error for a name of HAProxy's that is not served.
fn refused(what: &str, call: &Call<'_>, reason: &'static str) -> ParseError {
    let message = format!("{what} `{}` is not supported", call.name);
    ParseError::new(call.name_span(), message).help(reason)
}

fn step(call: &Call<'_>, from: Type, scope: &Scope<'_>) -> Result<(Step, Type), ParseError> {
    let (step, takes, gives) = if let Some(row) = convert::find(call.name) {
        let prepare = |args: &mut Vec<Arg>| {
            row.prepare.map_or(Ok(()), |prepare| prepare(args))?;
            row.bind.map_or(Ok(()), |bind| bind(args, scope))
        };
        let mut args = arg::resolve(row.name, row.args, prepare, &call.args, call.list.clone(), scope)?;
        if let Some(lookup) = row.map {
            let span = |index: usize| {
                call.args
                    .get(index)
                    .map_or(call.list.clone(), |arg| arg.span.clone())
            };
            convert::map::load(&mut args, lookup, span, row.name, scope)?;
        }
        let gives = if row.output == Type::Same {
            from
        } else {
            row.output
        };
        (Step::Builtin { row, args }, row.input, gives)
    } else if let Some(id) = scope.externals.converter(call.name) {
        (
            Step::External {
                id,
                args: call.values(),
            },
            Type::Str,
            Type::Str,
        )
    } else if let Some(why) = unsupported::converter_reason(call.name) {
        return Err(refused("converter", call, why));
    } else {
        let known = scope.externals.converter_names();
        let names = convert::all()
            .map(|row| row.name)
            .chain(known.iter().map(String::as_str));
        return Err(
            ParseError::new(call.name_span(), format!("unknown converter `{}`", call.name))
                .suggest(did_you_mean(call.name, names)),
        );
    };
    if !castable(from, takes) {
        let message = format!(
            "converter `{}` takes {takes}, and what comes before it gives {from}",
            call.name
        );
        return Err(ParseError::new(call.name_span(), message));
    }
    Ok((step, gives))
}

impl FromStr for Expr {
    type Err = ParseError;

    /// Parses with no scripts' fetches and for any place.
    fn from_str(text: &str) -> Result<Expr, ParseError> {
        Expr::parse(text, &Scope::anywhere())
    }
}
