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
    let annotation =
        kind.span(excerpt.offset(label.span.start, Edge::Start)..excerpt.offset(label.span.end, Edge::End));
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

    /// The line, in which bytes that are no text are shown by a character that says so.
    fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// Where a byte of the file is in [`Self::text`]. Within a character it is that character's edge.
    fn offset(&self, at: u32, edge: Edge) -> usize {
        let wanted = (at.clamp(self.start, self.end) - self.start) as usize;
        let (mut from, mut to) = (0, 0);
        for chunk in self.bytes().utf8_chunks() {
            let text = chunk.valid();
            if wanted <= from + text.len() {
                let mut inside = wanted - from;
                while !text.is_char_boundary(inside) {
                    inside = if edge == Edge::Start {
                        inside - 1
                    } else {
                        inside + 1
                    };
                }
                return to + inside;
            }
            from += text.len();
            to += text.len();
            if wanted < from + chunk.invalid().len() {
                return if edge == Edge::Start {
                    to
                } else {
                    to + char::REPLACEMENT_CHARACTER.len_utf8()
                };
            }
            if !chunk.invalid().is_empty() {
                from += chunk.invalid().len();
                to += char::REPLACEMENT_CHARACTER.len_utf8();
            }
        }
        to
    }

    fn bytes(&self) -> &'a [u8] {
        self.source
            .text()
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// Which side of a span an offset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Start,
    End,
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

    #[test]
    fn spans_that_cut_a_character_are_widened() {
        let mut sources = Sources::default();
        let file = sources.add("a.cfg", b"a\xc2\x80\x80\xe2\x82 z\n".to_vec());
        let source = sources.get(file).unwrap();
        let excerpt = Excerpt::around(
            source,
            Span {
                file,
                start: 0,
                end: 1,
            },
        );
        let text = excerpt.text();
        assert_eq!(text, "a\u{80}\u{fffd}\u{fffd} z");
        for start in 0..=8 {
            for end in start..=8 {
                let (from, to) = (excerpt.offset(start, Edge::Start), excerpt.offset(end, Edge::End));
                assert!(
                    from <= to && text.get(from..to).is_some(),
                    "{start}..{end} is {from}..{to}"
                );
            }
        }
        assert_eq!(
            (excerpt.offset(2, Edge::Start), excerpt.offset(2, Edge::End)),
            (1, 3)
        );
        assert_eq!(
            (excerpt.offset(7, Edge::Start), excerpt.offset(8, Edge::End)),
            (10, 11)
        );
    }
}
