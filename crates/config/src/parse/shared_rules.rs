//! Rules of `defaults` sections: which sections may begin with them.

use super::plan::{Plan, PlannedProxy};
use super::reader::Section;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::ProxyKind;
use crate::source::Span;
use crate::text::Word;

/// The lines that are rules.
const RULES: [&str; 5] = [
    "tcp-request",
    "tcp-response",
    "http-request",
    "http-response",
    "http-after-response",
];

/// Reports sections that begin with rules that aren't for them: the two sides of a proxy have rules of their own, and a
/// `defaults` section without a name has none.
pub(crate) fn check(plan: &Plan, sections: &[Section], diagnostics: &mut Diagnostics) {
    for defaults in plan.defaults.iter().filter(|defaults| defaults.name.is_none()) {
        if let (Some(rule), Some(span)) = (
            rule(plan, sections, defaults.from(), any),
            header(sections, defaults.section),
        ) {
            let message = "a `defaults` section without a name can't begin with one that has rules";
            diagnostics.push(fault(span, message, rule).help("give it a name: `defaults <name> from ...`"));
        }
    }
    for (at, proxy) in plan.proxies.iter().enumerate() {
        if let Some(fault) = fault_of(plan, sections, proxy, plan.proxies.get(..at).unwrap_or_default()) {
            diagnostics.push(fault);
        }
    }
}

fn fault_of(
    plan: &Plan,
    sections: &[Section],
    proxy: &PlannedProxy,
    before: &[PlannedProxy],
) -> Option<Diagnostic> {
    let rule_that = |wanted: fn(&[Word]) -> bool| rule(plan, sections, proxy.defaults, wanted);
    let first = rule_that(any)?;
    let span = proxy.name.span;
    let named = &proxy.name.value;
    if proxy.kind == ProxyKind::Listen {
        let message = format!("the rules of a `defaults` section can't be those of `listen {named}`");
        return Some(
            fault(span, message, first).help("a `listen` section has two sides: give each its own rules"),
        );
    }
    if proxy.kind == ProxyKind::Backend
        && let Some(rule) = rule_that(of_connections)
    {
        let message = format!("rules on connections and sessions can't be those of `backend {named}`");
        return Some(fault(span, message, rule));
    }
    if proxy.kind == ProxyKind::Frontend
        && let Some(rule) = rule_that(of_tcp_responses)
    {
        let message = format!("rules on responses of TCP can't be those of `frontend {named}`");
        return Some(fault(span, message, rule));
    }
    let other = before
        .iter()
        .find(|other| other.kind != proxy.kind && other.defaults == proxy.defaults)?;
    let message = "the rules of a `defaults` section can't be those of a frontend and of a backend";
    Some(fault(span, message, first).related(other.name.span, "the other side begins with it here"))
}

fn any(_: &[Word]) -> bool {
    true
}

fn of_connections(line: &[Word]) -> bool {
    let set = line.get(1);
    let is_set = set.is_some_and(|set| set.is("connection") || set.is("session"));
    is_set && line.first().is_some_and(|keyword| keyword.is("tcp-request"))
}

fn of_tcp_responses(line: &[Word]) -> bool {
    line.first().is_some_and(|keyword| keyword.is("tcp-response"))
}

/// The first rule of this kind among those of a `defaults` section and of the ones that it begins with.
fn rule(plan: &Plan, sections: &[Section], id: Option<usize>, wanted: fn(&[Word]) -> bool) -> Option<Span> {
    let chain = plan.chain(id);
    let of_chain = chain.iter().filter_map(|defaults| sections.get(defaults.section));
    let mut lines = of_chain.flat_map(|section| section.statements.iter());
    let line = lines.find(|line| {
        let keyword = line.first();
        keyword.is_some_and(|keyword| RULES.iter().any(|name| keyword.is(name))) && wanted(line)
    })?;
    Some(line.first()?.span())
}

fn header(sections: &[Section], section: usize) -> Option<Span> {
    Some(sections.get(section)?.header.first()?.span())
}

fn fault(span: Span, message: impl Into<String>, rule: Span) -> Diagnostic {
    Diagnostic::error(code::WRONG_SECTION, span, message.into()).related(rule, "this is such a rule")
}
