//! Conditional blocks: `.if`, `.elif`, `.else`, `.endif`, and the messages `.notice` and its kin.

use super::args::{Args, Parsed, list};
use crate::cond::{CondFault, Facts, evaluate};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::source::{Sources, Span};
use crate::text::{Surroundings, Word, decode_text};

/// The blocks that are open at a line.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    open: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    /// The `.if`.
    span: Span,
    /// Whether the lines around the block are read.
    outer: bool,
    /// Whether the lines of the current branch are read.
    active: bool,
    /// Whether a branch was read already.
    done: bool,
    has_else: bool,
}

/// Blocks may be nested this deep.
const DEPTH_MAX: usize = 1024;

const DIRECTIVES: [&str; 8] = [
    ".if", ".elif", ".else", ".endif", ".notice", ".warning", ".alert", ".diag",
];

impl Blocks {
    /// Whether lines are read here.
    pub(crate) fn active(&self) -> bool {
        self.open.last().is_none_or(|block| block.active)
    }

    /// Takes a line that begins with a dot.
    pub(crate) fn directive(&mut self, words: &[Word], facts: &Facts<'_>, diagnostics: &mut Diagnostics) {
        let Some(keyword) = words.first() else { return };
        let mut args = Args::of_statement(keyword, words);
        let result = match &*keyword.lossy() {
            ".if" => self.begin(keyword, words, facts),
            ".elif" => self.otherwise(keyword, words, facts),
            ".else" => {
                let is_branch = args.peek().is_some_and(|word| word.is("if"));
                let read = self.last_branch(keyword).and_then(|()| args.end());
                read.map_err(|diagnostic| {
                    Box::new(match is_branch {
                        true => diagnostic.help("a branch with a condition begins with `.elif`"),
                        false => *diagnostic,
                    })
                })
            }
            ".endif" => match self.open.pop() {
                Some(_) => args.end(),
                None => Err(unopened(keyword)),
            },
            _ if !self.active() => Ok(()),
            ".diag" if !facts.diagnostic => Ok(()),
            ".notice" | ".warning" | ".alert" | ".diag" => message(keyword, &mut args, diagnostics),
            written => {
                let message = format!("unknown directive `{written}`");
                let mut diagnostic = Diagnostic::error(code::BAD_DIRECTIVE, keyword.span(), message)
                    .suggest(written, DIRECTIVES);
                if written.starts_with(".if") {
                    // what follows is a block all the same
                    self.open(keyword, false);
                    if diagnostic.help.is_empty() {
                        diagnostic = diagnostic.help("did you mean `.if`?");
                    }
                }
                if diagnostic.help.is_empty() {
                    diagnostic = diagnostic.help(format!("the directives are {}", list(&DIRECTIVES)));
                }
                Err(Box::new(diagnostic))
            }
        };
        if let Err(diagnostic) = result {
            diagnostics.push(*diagnostic);
        }
    }

    /// Reports the blocks that are open at the end of a file.
    pub(crate) fn end_of_file(&mut self, diagnostics: &mut Diagnostics) {
        for block in self.open.drain(..) {
            let message = "this `.if` block is never closed";
            diagnostics.push(
                Diagnostic::error(code::UNBALANCED_BLOCK, block.span, message)
                    .help("close it with `.endif` in the same file"),
            );
        }
    }

    fn begin(&mut self, keyword: &Word, words: &[Word], facts: &Facts<'_>) -> Parsed<()> {
        let outer = self.active();
        if self.open.len() >= DEPTH_MAX {
            let message = "blocks are nested too deep";
            return Err(Box::new(Diagnostic::error(
                code::UNBALANCED_BLOCK,
                keyword.span(),
                message,
            )));
        }
        // an `.if` in lines that aren't read is not evaluated; a wrong one counts as one that doesn't hold
        let value = if outer { condition(words, facts) } else { Ok(false) };
        self.open(keyword, matches!(value, Ok(true)));
        value.map(|_| ())
    }

    fn open(&mut self, keyword: &Word, holds: bool) {
        let outer = self.active();
        self.open.push(Block {
            span: keyword.span(),
            outer,
            active: outer && holds,
            done: outer && holds,
            has_else: false,
        });
    }

    fn otherwise(&mut self, keyword: &Word, words: &[Word], facts: &Facts<'_>) -> Parsed<()> {
        let Some(block) = self.open.last_mut() else {
            return Err(unopened(keyword));
        };
        if block.has_else {
            return Err(after_else(keyword, block));
        }
        let value = if block.outer && !block.done {
            condition(words, facts)
        } else {
            Ok(false)
        };
        block.active = block.outer && !block.done && matches!(value, Ok(true));
        block.done |= block.active;
        value.map(|_| ())
    }

    fn last_branch(&mut self, keyword: &Word) -> Parsed<()> {
        let Some(block) = self.open.last_mut() else {
            return Err(unopened(keyword));
        };
        if block.has_else {
            return Err(after_else(keyword, block));
        }
        block.has_else = true;
        block.active = block.outer && !block.done;
        block.done = true;
        Ok(())
    }
}

/// Evaluates the argument of the `-cc` flag.
///
/// # Errors
/// What is wrong with it, and the text that the diagnostics point into.
pub fn evaluate_flag(text: &str, facts: &Facts<'_>) -> Result<bool, (Diagnostics, Sources)> {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add("-cc", text.as_bytes().to_vec());
    let span = Span {
        file,
        start: 0,
        end: crate::source::to_u32(text.len()),
    };
    let around = Surroundings {
        environment: facts.environment,
        file: "-cc",
        line: 1,
        section: "",
    };
    let words = decode_text(span, &sources, &around, &mut diagnostics);
    let value = words.map(|words| match Word::join(&words) {
        Some(word) => evaluate(word.bytes(), facts).map_err(|fault| blame(&word, fault)),
        None => Ok(false),
    });
    match value {
        Some(Ok(value)) => Ok(value),
        Some(Err(diagnostic)) => {
            diagnostics.push(*diagnostic);
            Err((diagnostics, sources))
        }
        None => Err((diagnostics, sources)),
    }
}

fn condition(words: &[Word], facts: &Facts<'_>) -> Parsed<bool> {
    let Some(word) = Word::join(words.get(1..).unwrap_or_default()) else {
        return Ok(false);
    };
    evaluate(word.bytes(), facts).map_err(|fault| blame(&word, fault))
}

fn blame(word: &Word, fault: CondFault) -> Box<Diagnostic> {
    let span = word.span_of(fault.at.start, fault.at.end);
    let mut diagnostic = Diagnostic::error(code::BAD_CONDITION, span, fault.message);
    diagnostic.help.extend(fault.help);
    Box::new(diagnostic)
}

fn message(keyword: &Word, args: &mut Args<'_>, diagnostics: &mut Diagnostics) -> Parsed<()> {
    let word = args.next();
    if !args.rest().is_empty() {
        return args.end().map_err(|diagnostic| {
            Box::new(diagnostic.help("put the message between quotes when it has spaces"))
        });
    }
    let text = word.map_or(Ok(""), Word::text)?;
    let span = word.unwrap_or(keyword).span();
    let text = if text.is_empty() {
        "(an empty message)"
    } else {
        text
    };
    diagnostics.push(match &*keyword.lossy() {
        ".alert" => Diagnostic::error(code::USER_MESSAGE, span, text),
        ".warning" => Diagnostic::warning(code::USER_MESSAGE, span, text),
        _ => Diagnostic::notice(code::USER_MESSAGE, span, text),
    });
    Ok(())
}

fn unopened(keyword: &Word) -> Box<Diagnostic> {
    let message = format!("`{}` without an `.if` before it", keyword.lossy());
    Box::new(Diagnostic::error(code::UNBALANCED_BLOCK, keyword.span(), message))
}

fn after_else(keyword: &Word, block: &Block) -> Box<Diagnostic> {
    let message = format!("`{}` can't follow `.else`", keyword.lossy());
    Box::new(
        Diagnostic::error(code::UNBALANCED_BLOCK, keyword.span(), message)
            .related(block.span, "the block begins here"),
    )
}
