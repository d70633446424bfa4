//! The sections of proxies, by their headers: their names, and which `defaults` apply to each.

use std::collections::HashMap;

use super::address::endpoint;
use super::args::{Args, Parsed};
use super::names::ProxyNames;
use super::reader::Section;
use super::sections::SectionKind;
use super::server::check_name;
use super::shared_rules;
use super::stick;
use crate::diag::{Diagnostic, Diagnostics, Severity, code};
use crate::model::{Peers, ProxyId, ProxyKind};
use crate::source::{Span, Spanned, to_u32};
use crate::text::Word;

/// Which sections there are, and which `defaults` each of them has.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) defaults: Vec<PlannedDefaults>,
    pub(crate) proxies: Vec<PlannedProxy>,
    pub(crate) names: ProxyNames,
}

#[derive(Debug)]
pub(crate) struct PlannedDefaults {
    /// Its place in the list of sections.
    pub(crate) section: usize,
    pub(crate) name: Option<String>,
    /// The `defaults` section that it begins with.
    from: Option<usize>,
}

impl PlannedDefaults {
    /// The `defaults` section that it begins with.
    pub(crate) fn from(&self) -> Option<usize> {
        self.from
    }
}

#[derive(Debug)]
pub(crate) struct PlannedProxy {
    pub(crate) section: usize,
    pub(crate) kind: ProxyKind,
    pub(crate) name: Spanned<String>,
    pub(crate) defaults: Option<usize>,
    /// Whether the header was without fault.
    pub(crate) sound: bool,
}

impl Plan {
    /// Reads the headers.
    pub(crate) fn of(sections: &[Section], peers: &[Peers], diagnostics: &mut Diagnostics) -> Plan {
        let mut plan = Plan {
            defaults: Vec::new(),
            proxies: Vec::new(),
            names: ProxyNames::default(),
        };
        stick::declare_of_peers(peers, &mut plan.names);
        let mut by_name: HashMap<String, (usize, Span)> = HashMap::new();
        for (at, section) in sections.iter().enumerate() {
            let Some(keyword) = section.header.first() else {
                continue;
            };
            let mut args = Args::of_statement(keyword, &section.header);
            let result = match section.kind {
                SectionKind::Defaults => plan.defaults(at, &mut args, (&mut by_name, sections), diagnostics),
                SectionKind::Proxy(kind) => {
                    let planned = plan.proxy(at, kind, &mut args, (&by_name, sections), diagnostics);
                    plan.servers(&section.statements);
                    plan.table(&section.statements, diagnostics);
                    planned
                }
                SectionKind::Global | SectionKind::Other(_) | SectionKind::Log(_) => Ok(()),
            };
            if let Err(diagnostic) = result {
                diagnostics.push(*diagnostic);
            }
        }
        stick::check_targets(&plan.names, peers, diagnostics);
        shared_rules::check(&plan, sections, diagnostics);
        plan
    }

    fn defaults(
        &mut self,
        section: usize,
        args: &mut Args<'_>,
        (by_name, sections): (&mut HashMap<String, (usize, Span)>, &[Section]),
        diagnostics: &mut Diagnostics,
    ) -> Parsed<()> {
        let name = args.peek().filter(|word| !word.is("from"));
        let id = self.defaults.len();
        // the section counts from here on, whatever is wrong with its header
        self.defaults.push(PlannedDefaults {
            section,
            name: name.and_then(|word| Some(word.text().ok()?.to_owned())),
            from: None,
        });
        if name.is_some() {
            args.next();
        }
        let from = from(args, by_name, sections);
        if let (Ok(from), Some(planned)) = (&from, self.defaults.last_mut()) {
            planned.from = *from;
        }
        if let Some(word) = name {
            check_name(word)?;
            if let Some((_, first)) = by_name.insert(word.text()?.to_owned(), (id, word.span())) {
                return Err(duplicate(word, "defaults section", first));
            }
        }
        from?;
        past_header(args, diagnostics);
        Ok(())
    }

    fn proxy(
        &mut self,
        section: usize,
        kind: ProxyKind,
        args: &mut Args<'_>,
        (by_name, sections): (&HashMap<String, (usize, Span)>, &[Section]),
        diagnostics: &mut Diagnostics,
    ) -> Parsed<()> {
        let keyword = args.last();
        let word = args.expect("a name");
        let from = from(args, by_name, sections);
        let defaults = match &from {
            Ok(Some(defaults)) => Some(*defaults),
            _ => self.defaults.len().checked_sub(1),
        };
        let name = match &word {
            Ok(word) => Spanned::new(word.lossy().into_owned(), word.span()),
            Err(_) => Spanned::new(String::new(), keyword),
        };
        let id = ProxyId(to_u32(self.proxies.len()));
        let taken = if name.is_empty() {
            None
        } else {
            self.names.add(kind, &name, id, name.span)
        };
        let sound = from.is_ok() && (kind == ProxyKind::Backend || args.rest().is_empty());
        self.proxies.push(PlannedProxy {
            section,
            kind,
            name,
            defaults,
            sound,
        });
        let word = word?;
        check_name(word)?;
        if let Some(first) = taken {
            diagnostics.push(*duplicate(word, "proxy", first));
        }
        from?;
        if kind == ProxyKind::Backend {
            past_header(args, diagnostics);
            return Ok(());
        }
        args.end()
            .map_err(|diagnostic| Box::new(header_advice(*diagnostic, args)))
    }

    /// Notes the servers of the proxy that was planned last.
    fn servers(&mut self, statements: &[Vec<Word>]) {
        let Some(proxy) = self.proxies.last() else { return };
        for line in statements {
            self.names.add_server(&proxy.name, line);
        }
    }

    /// Adds the table of the proxy that was planned last.
    fn table(&mut self, statements: &[Vec<Word>], diagnostics: &mut Diagnostics) {
        let Some(proxy) = self.proxies.last() else { return };
        stick::declare(&proxy.name, statements, &mut self.names, diagnostics);
    }

    /// A `defaults` section and those that it begins with, the first one first.
    pub(crate) fn chain(&self, mut id: Option<usize>) -> Vec<&PlannedDefaults> {
        let mut chain = Vec::new();
        // `from` names sections that stand before, so there is no circle
        while let Some(defaults) = id.and_then(|id| self.defaults.get(id)) {
            chain.push(defaults);
            id = defaults.from;
        }
        chain.reverse();
        chain
    }
}

/// `from NAME` at the end of a header.
fn from(
    args: &mut Args<'_>,
    by_name: &HashMap<String, (usize, Span)>,
    sections: &[Section],
) -> Parsed<Option<usize>> {
    if !args.take("from") {
        return Ok(None);
    }
    let word = args.expect("the name of a `defaults` section")?;
    let name = word.text()?;
    if let Some((id, _)) = by_name.get(name) {
        return Ok(Some(*id));
    }
    let message = format!("there is no `defaults` section `{name}` above");
    let mut names: Vec<&str> = by_name.keys().map(String::as_str).collect();
    names.sort_unstable();
    let diagnostic = Diagnostic::error(code::UNKNOWN_DEFAULTS, word.span(), message);
    // it isn't among those above
    let below = sections
        .iter()
        .filter(|section| matches!(section.kind, SectionKind::Defaults))
        .filter_map(|section| section.header.get(1))
        .find(|known| known.is(name));
    Err(Box::new(match below {
        Some(below) => diagnostic
            .related(below.span(), "it is defined below")
            .help("move it before the sections that begin with it"),
        None => diagnostic.suggest(name, names),
    }))
}

/// Words on a header that HAProxy passes over, as an option that was to stand on the next line.
fn past_header(args: &Args<'_>, diagnostics: &mut Diagnostics) {
    if let Err(diagnostic) = args.end() {
        let mut diagnostic = header_advice(*diagnostic, args);
        diagnostic.severity = Severity::Warning;
        if diagnostic.help.is_empty() {
            diagnostic = diagnostic.help("it has no effect here: settings are on lines of their own");
        }
        diagnostics.push(diagnostic);
    }
}

/// What was meant by words that don't belong on a header.
fn header_advice(diagnostic: Diagnostic, args: &Args<'_>) -> Diagnostic {
    let Some(word) = args.peek() else {
        return diagnostic;
    };
    if word.is("{") {
        return diagnostic.help("a section has no braces: it ends where the next one begins");
    }
    if endpoint(word, true).is_ok() {
        return diagnostic.help(format!(
            "addresses are on lines of their own: `bind {}`",
            word.lossy()
        ));
    }
    diagnostic
}

fn duplicate(word: &Word, what: &str, first: Span) -> Box<Diagnostic> {
    let message = format!("there is another {what} of the name `{}`", word.lossy());
    Box::new(Diagnostic::error(code::DUPLICATE_NAME, word.span(), message).related(first, "the first one"))
}
