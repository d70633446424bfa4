//! Diagnostics as text, the word at fault underlined.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Label, Severity};
use crate::source::{Source, Sources, Span};

/// What the text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// ASCII and nothing else.
    Plain,
    /// With a terminal's colours.
    Coloured,
}

/// Wider lines are cut around the word at fault.
const WIDTH: usize = 160;

/// One diagnostic as text, without a final line feed.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Notice => Level::INFO.with_name("notice"),
    };
    let mut group = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.name())
        .elements(snippets(diagnostic, sources));
    group = with_messages(group, Level::HELP, &diagnostic.help);
    group = with_messages(group, Level::NOTE, &diagnostic.notes);
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    renderer.term_width(WIDTH).render(&[group])
}

fn with_messages<'a>(group: Group<'a>, level: Level<'static>, texts: &'a [String]) -> Group<'a> {
    group.elements(texts.iter().map(|text| level.clone().message(text.as_str())))
}

/// One snippet for each line that is pointed at, the primary's first.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut lines: Vec<(Excerpt<'a>, Vec<annotate_snippets::Annotation<'a>>)> = Vec::new();
    let labels = diagnostic
        .primary
        .iter()
        .map(|label| (AnnotationKind::Primary, label));
    let related = diagnostic
        .related
        .iter()
        .map(|label| (AnnotationKind::Context, label));
    for (kind, label) in labels.chain(related) {
        let Some(source) = sources.get(label.span.file) else {
            continue;
        };
        let excerpt = Excerpt::around(source, label.span);
        let annotation = annotation(kind, &excerpt, label);
        match lines.iter_mut().find(|(known, _)| known.is_line_of(&excerpt)) {
            Some((_, annotations)) => annotations.push(annotation),
            None => lines.push((excerpt, vec![annotation])),
        }
    }
    lines
        .into_iter()
        .map(|(excerpt, annotations)| {
            Snippet::source(excerpt.text())
                .line_start(excerpt.line + 1)
                .path(excerpt.source.name())
                .annotations(annotations)
        })
        .collect()
}

fn annotation<'a>(
    kind: AnnotationKind,
    excerpt: &Excerpt<'a>,
    label: &'a Label,
) -> annotate_snippets::Annotation<'a> {
    let annotation = kind.span(excerpt.offset(label.span.start)..excerpt.offset(label.span.end));
    if label.text.is_empty() {
        annotation
    } else {
        annotation.label(label.text.as_str())
    }
}

/// The line that a span begins on. No word goes over the end of a line.
struct Excerpt<'a> {
    source: &'a Source,
    line: usize,
    start: u32,
    end: u32,
}

impl<'a> Excerpt<'a> {
    fn around(source: &'a Source, span: Span) -> Excerpt<'a> {
        let line = source.line_of(span.start);
        let (start, end) = source.line_bounds(line);
        Excerpt {
            source,
            line,
            start,
            end,
        }
    }

    fn is_line_of(&self, other: &Excerpt<'_>) -> bool {
        std::ptr::eq(self.source, other.source) && self.line == other.line
    }

    fn text(&self) -> String {
        self.lossy(self.end)
    }

    /// Where a byte of the file is in [`Self::text`], in which bytes that are no text take three each.
    fn offset(&self, at: u32) -> usize {
        self.lossy(at.clamp(self.start, self.end)).len()
    }

    fn lossy(&self, end: u32) -> String {
        let bytes = self
            .source
            .text()
            .get(self.start as usize..end as usize)
            .unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::code;

    fn sample() -> (Sources, Diagnostic) {
        let mut sources = Sources::default();
        let file = sources.add("a.cfg", b"global\n  nbtread 4\n  xx\n".to_vec());
        let word = Span {
            file,
            start: 9,
            end: 16,
        };
        let other = Span {
            file,
            start: 21,
            end: 23,
        };
        let diagnostic = Diagnostic::error(code::UNKNOWN_KEYWORD, word, "unknown keyword `nbtread`")
            .label("not a keyword")
            .related(other, "and here")
            .suggest("nbtread", ["nbthread"])
            .note("a note");
        (sources, diagnostic)
    }

    #[test]
    fn the_word_is_underlined() {
        let (sources, diagnostic) = sample();
        let expected = "\
error[TG0101]: unknown keyword `nbtread`
 --> a.cfg:2:3
  |
2 |   nbtread 4
  |   ^^^^^^^ not a keyword
  |
 ::: a.cfg:3:3
  |
3 |   xx
  |   -- and here
  |
  = help: did you mean `nbthread`?
  = note: a note";
        assert_eq!(render(&diagnostic, &sources, Style::Plain), expected);
    }

    #[test]
    fn colours_only_when_asked_for() {
        let (sources, diagnostic) = sample();
        assert!(!render(&diagnostic, &sources, Style::Plain).contains('\u{1b}'));
        assert!(render(&diagnostic, &sources, Style::Coloured).contains('\u{1b}'));
    }

    #[test]
    fn bytes_that_are_no_text_do_not_shift_the_underline() {
        let mut sources = Sources::default();
        let file = sources.add("a.cfg", b"\xff\xff zz\n".to_vec());
        let diagnostic = Diagnostic::error(
            code::NOT_UTF8,
            Span {
                file,
                start: 3,
                end: 5,
            },
            "m",
        );
        let text = render(&diagnostic, &sources, Style::Plain);
        assert!(text.contains("  |    ^^"), "{text}");
    }
}
