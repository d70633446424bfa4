//! Where each line stands: how far to the right, and whether an empty line is before it.

use crate::diag::Diagnostics;
use crate::parse::{is_any_keyword, is_section, meant_section};
use crate::source::Sources;
use crate::text::{Environment, Line, Surroundings, TokenKind, Tree, Word, decode_line};

/// A line and its place.
pub(super) struct Placed<'t> {
    pub(super) line: &'t Line,
    /// Steps to the right.
    pub(super) steps: usize,
    /// Whether an empty line is before it.
    pub(super) after_blank: bool,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Comment,
    Section,
    /// `.if`
    Open,
    /// `.elif`, `.else`
    Branch,
    /// `.endif`
    Close,
    /// Any other word that begins with a dot.
    Message,
    Statement,
}

struct Item<'t> {
    line: &'t Line,
    kind: Kind,
    /// Whether it was written at the very beginning of its line.
    at_margin: bool,
    after_blank: bool,
    /// For `.if` and what belongs to it: the `.if`.
    opened_by: Option<usize>,
}

/// The lines that aren't empty, each with its place.
pub(super) fn place<'t>(tree: &'t Tree, sources: &Sources) -> Vec<Placed<'t>> {
    let mut items = items(tree, sources);
    let blocks = blocks(&mut items);
    let mut steps = vec![0; items.len()];
    let mut open: Vec<usize> = Vec::new();
    let mut in_section = 0;
    for at in 0..items.len() {
        let Some(item) = items.get(at) else { break };
        // lines within a block are one step right of it, unless it is around sections
        let inside = match open.last().map(|block| (block, blocks.get(*block))) {
            Some((block, Some(Block { wide: false, .. }))) => steps.get(*block).map_or(0, |steps| steps + 1),
            _ => in_section,
        };
        let own = match item.kind {
            Kind::Section => {
                in_section = 1;
                0
            }
            Kind::Open => {
                let may_stay = item.at_margin && open.is_empty();
                open.push(at);
                match blocks.get(at) {
                    Some(block) if block.wide || (block.has_messages_only && may_stay) => 0,
                    _ => inside,
                }
            }
            Kind::Branch | Kind::Close => {
                let own = item.opened_by.and_then(|block| steps.get(block)).copied();
                if item.kind == Kind::Close && item.opened_by.is_some() {
                    open.pop();
                }
                own.unwrap_or(inside)
            }
            Kind::Message if item.at_margin && open.is_empty() => 0,
            Kind::Message | Kind::Statement | Kind::Comment => inside,
        };
        if let Some(steps) = steps.get_mut(at) {
            *steps = own;
        }
    }
    comments(&items, &mut steps);
    blanks(&mut items, &blocks, &steps);
    items
        .into_iter()
        .zip(steps)
        .map(|(item, steps)| Placed {
            line: item.line,
            steps,
            after_blank: item.after_blank,
        })
        .collect()
}

fn items<'t>(tree: &'t Tree, sources: &Sources) -> Vec<Item<'t>> {
    let mut items: Vec<Item<'t>> = Vec::new();
    let (mut after_blank, mut in_section) = (false, false);
    for line in &tree.lines {
        let first = line.tokens.first();
        let at_margin = first.is_some_and(|token| token.kind != TokenKind::Blank);
        let kind = match first_word(line, sources) {
            // before the first section nothing is further right
            Some(word) => kind_of(&word, at_margin || !in_section),
            None if line.comment().is_some() => Kind::Comment,
            None => {
                after_blank = !items.is_empty();
                continue;
            }
        };
        in_section |= kind == Kind::Section;
        items.push(Item {
            line,
            kind,
            at_margin,
            after_blank,
            opened_by: None,
        });
        after_blank = false;
    }
    items
}

/// What the first word stands for; as it is written, where it stands for nothing.
fn first_word(line: &Line, sources: &Sources) -> Option<Word> {
    let token = *line.words().next()?;
    let around = Surroundings {
        environment: &Environment::new(),
        file: "",
        line: 0,
        section: "",
    };
    let alone = Line { tokens: vec![token] };
    let decoded = decode_line(&alone, sources, &around, &mut Diagnostics::default());
    let word = decoded.and_then(|words| words.into_iter().next());
    Some(word.unwrap_or_else(|| Word::empty(token.span)))
}

fn kind_of(word: &Word, at_margin: bool) -> Kind {
    match word.bytes() {
        b".if" => Kind::Open,
        b".elif" | b".else" => Kind::Branch,
        b".endif" => Kind::Close,
        bytes if bytes.starts_with(b".") => Kind::Message,
        _ if is_section(word) => Kind::Section,
        // reading takes it for a section too
        _ if at_margin && !is_any_keyword(word) && meant_section(&word.lossy()) => Kind::Section,
        _ => Kind::Statement,
    }
}

/// What a conditional block holds.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    /// Sections.
    wide: bool,
    /// No line of a section, and no section.
    has_messages_only: bool,
}

/// The blocks, each where its `.if` is among the lines.
fn blocks(items: &mut [Item<'_>]) -> Vec<Block> {
    let mut blocks = vec![Block::default(); items.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, item) in items.iter_mut().enumerate() {
        match item.kind {
            Kind::Open => {
                open.push(at);
                item.opened_by = Some(at);
                if let Some(block) = blocks.get_mut(at) {
                    block.has_messages_only = true;
                }
            }
            Kind::Branch => item.opened_by = open.last().copied(),
            Kind::Close => item.opened_by = open.pop(),
            Kind::Section | Kind::Statement => {
                for around in &open {
                    if let Some(block) = blocks.get_mut(*around) {
                        block.has_messages_only = false;
                        block.wide |= item.kind == Kind::Section;
                    }
                }
            }
            Kind::Message | Kind::Comment => {}
        }
    }
    blocks
}

/// A comment at the beginning of its line stays there when what follows it begins its line too.
fn comments(items: &[Item<'_>], steps: &mut [usize]) {
    let mut below = 0;
    for (item, steps) in items.iter().zip(steps.iter_mut()).rev() {
        if item.kind != Kind::Comment {
            below = *steps;
        } else if below == 0 && item.at_margin {
            *steps = 0;
        }
    }
}

/// An empty line stands before each section and before each block that is around sections, and before the comments
/// right above them.
fn blanks(items: &mut [Item<'_>], blocks: &[Block], steps: &[usize]) {
    let is_wide = |item: &Item<'_>| {
        let block = item.opened_by.and_then(|at| blocks.get(at));
        block.is_some_and(|block| block.wide)
    };
    let mut begins = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if item.kind != Kind::Section && !(item.kind == Kind::Open && is_wide(item)) {
            continue;
        }
        let mut first = at;
        while let Some(above) = first.checked_sub(1) {
            let is_joined = items.get(first).is_some_and(|item| !item.after_blank);
            let is_comment = items.get(above).is_some_and(|item| item.kind == Kind::Comment);
            if !is_joined || !is_comment || steps.get(above) != Some(&0) {
                break;
            }
            first = above;
        }
        let above = first.checked_sub(1).and_then(|above| items.get(above));
        // what a block around sections begins with follows it as written
        let follows_block =
            above.is_some_and(|item| matches!(item.kind, Kind::Open | Kind::Branch) && is_wide(item));
        if above.is_some() && !follows_block {
            begins.push(first);
        }
    }
    for at in begins {
        if let Some(item) = items.get_mut(at) {
            item.after_blank = true;
        }
    }
}
