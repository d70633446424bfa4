//! The cases: which expressions are evaluated, on what, and where the two programs may differ.

mod converters;
mod differences;
mod documented;
mod fetches;
mod tables;

use super::inputs::{Random, base64, hex};

pub(crate) use differences::{DIFFERENCES, Difference, NOT_COMPARED, is_not_compared};
pub(crate) use documented::{DOCUMENTED, INPUT as DOCUMENTED_INPUT};
pub(crate) use tables::TABLES;

/// Which rules evaluate an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `http-request`.
    Request,
    /// `http-response`, after the origin's answer.
    Response,
    /// `tcp-request content`, on bytes that are not HTTP.
    Content,
}

/// Whether an expression stands for the fetch that it begins with, or for its first converter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Converter,
    Fetch,
}

/// An expression, and what it is a case of.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    pub(crate) what: What,
    /// The converter's or fetch's name.
    pub(crate) subject: String,
    /// As written in the case: a converter with its arguments, or a whole expression.
    pub(crate) shown: String,
    /// As written in the configuration.
    pub(crate) whole: String,
}

/// What is sent to have expressions evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// What it is, for people.
    pub(crate) label: String,
    pub(crate) bytes: Vec<u8>,
}

/// Expressions that are all evaluated on each of some inputs.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) phase: Phase,
    /// Actions that come before the expressions.
    pub(crate) before: &'static [&'static str],
    pub(crate) expressions: Vec<Expression>,
    pub(crate) inputs: Vec<Input>,
}

/// How a converter's input reaches it.
#[derive(Debug, Clone, Copy)]
enum Carrier {
    /// Any bytes, as a binary sample.
    Bytes,
    /// A header's value, as a string.
    Text,
}

/// Converters and what they are run on.
struct Converters {
    carrier: Carrier,
    edges: &'static [&'static [u8]],
    /// What random inputs are made of, and how many there are.
    alphabet: &'static [u8],
    random: usize,
    chains: &'static [&'static [&'static str]],
}

/// Fetches and what they are run on: whole messages.
struct Fetches {
    phase: Phase,
    before: &'static [&'static str],
    messages: &'static [(&'static str, &'static str)],
    expressions: &'static [&'static [&'static str]],
}

/// All groups, with random inputs by a seed.
pub(crate) fn groups(seed: u64) -> Vec<Group> {
    let mut random = Random::new(seed);
    let mut groups = Vec::new();
    for (index, table) in converters::ALL.iter().enumerate() {
        groups.push(of_converters(format!("c{index}"), table, &mut random));
    }
    for (index, table) in fetches::ALL.iter().enumerate() {
        groups.push(of_fetches(format!("f{index}"), table));
    }
    groups.push(of_fetches("tables".to_owned(), &tables::FETCHES));
    groups.push(of_tables());
    groups.push(of_documented());
    groups
}

fn of_converters(name: String, table: &Converters, random: &mut Random) -> Group {
    const LENGTH_MAX: usize = 40;
    let edges = table.edges.iter().map(|edge| edge.to_vec());
    let mut values: Vec<Vec<u8>> = edges.collect();
    values.extend((0..table.random).map(|_| random.bytes(table.alphabet, LENGTH_MAX)));
    let source = match table.carrier {
        Carrier::Bytes => "req.fhdr(x-in),b64dec",
        Carrier::Text => "req.fhdr(x-in)",
    };
    let expression = |chain: &&str| Expression {
        what: What::Converter,
        subject: first_name(chain).to_owned(),
        shown: (*chain).to_owned(),
        whole: format!("{source},{chain}"),
    };
    let input = |value: Vec<u8>| {
        let carried = match table.carrier {
            Carrier::Bytes => base64(&value).into_bytes(),
            Carrier::Text => value.clone(),
        };
        let head = b"GET / HTTP/1.1\r\nHost: test\r\nx-in: ";
        Input {
            label: value.escape_ascii().to_string(),
            bytes: addressed(&[head, &carried[..], b"\r\n\r\n"].concat(), &name),
        }
    };
    Group {
        phase: Phase::Request,
        before: &[],
        expressions: table.chains.iter().copied().flatten().map(expression).collect(),
        inputs: values.into_iter().map(input).collect(),
        name,
    }
}

fn of_fetches(name: String, table: &Fetches) -> Group {
    let expression = |whole: &&str| Expression {
        what: What::Fetch,
        subject: first_name(whole).to_owned(),
        shown: (*whole).to_owned(),
        whole: (*whole).to_owned(),
    };
    let input = |(label, message): &(&str, &str)| Input {
        label: (*label).to_owned(),
        bytes: match table.phase {
            Phase::Request => addressed(message.as_bytes(), &name),
            // The origin answers with what the request brings it.
            Phase::Response => addressed(
                format!(
                    "GET /r HTTP/1.1\r\nHost: test\r\nx-answer: {}\r\n\r\n",
                    hex(message.as_bytes())
                )
                .as_bytes(),
                &name,
            ),
            // One byte a character, whatever it is.
            Phase::Content => message.chars().map(|c| c as u8).collect(),
        },
    };
    Group {
        phase: table.phase,
        before: table.before,
        expressions: table
            .expressions
            .iter()
            .copied()
            .flatten()
            .map(expression)
            .collect(),
        inputs: table.messages.iter().map(input).collect(),
        name,
    }
}

/// The converters of stick tables, on keys that some requests before have left.
fn of_tables() -> Group {
    let expressions = tables::CONVERTERS.iter().map(|whole| Expression {
        what: What::Converter,
        subject: whole.split(',').nth(1).map_or("", first_name).to_owned(),
        shown: (*whole).to_owned(),
        whole: (*whole).to_owned(),
    });
    let mut group = of_fetches("table-converters".to_owned(), &tables::FETCHES);
    group.expressions = expressions.collect();
    group
}

/// The manual's examples are compared as well where the reference knows the converter.
fn of_documented() -> Group {
    let expressions = DOCUMENTED.iter().map(|example| Expression {
        what: example.what,
        subject: example.subject.to_owned(),
        shown: example.expression.to_owned(),
        whole: example.expression.to_owned(),
    });
    let request = b"GET /documented?a=1 HTTP/1.1\r\nHost: test\r\nCookie: a=1; b=2\r\n\r\n";
    Group {
        name: "documented".to_owned(),
        phase: Phase::Request,
        before: &[],
        expressions: expressions.collect(),
        inputs: vec![Input {
            label: DOCUMENTED_INPUT.to_owned(),
            bytes: addressed(request, "documented"),
        }],
    }
}

/// A request with the header that leads it to a group's rules, right after its first line.
fn addressed(request: &[u8], group: &str) -> Vec<u8> {
    let line = request
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let (line, rest) = request.split_at(line);
    let headers = format!("x-group: {group}\r\n");
    [line, headers.as_bytes(), rest].concat()
}

/// The name that an expression begins with.
fn first_name(expression: &str) -> &str {
    let quote = ['"', '\''];
    let text = expression.trim_start_matches(quote);
    text.split(['(', ',']).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_named_after_what_it_begins_with() {
        for (expression, name) in [
            ("lower", "lower"),
            ("add(1),hex", "add"),
            ("'regsub(\"a(b)\",c)'", "regsub"),
            ("base32+src,hex", "base32+src"),
        ] {
            assert_eq!(first_name(expression), name);
        }
    }

    #[test]
    fn a_request_is_led_to_its_group() {
        let request = addressed(b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody", "g1");
        let wanted = b"GET / HTTP/1.1\r\nx-group: g1\r\nA: b\r\n\r\nbody";
        assert_eq!(
            request.escape_ascii().to_string(),
            wanted.escape_ascii().to_string()
        );
    }

    #[test]
    fn the_same_seed_makes_the_same_cases() {
        let bytes = |seed| {
            let groups = groups(seed);
            groups
                .into_iter()
                .flat_map(|group| group.inputs)
                .map(|input| input.bytes)
                .collect::<Vec<_>>()
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn groups_have_names_of_their_own_and_something_to_do() {
        let groups = groups(1);
        for (index, group) in groups.iter().enumerate() {
            assert!(
                !group.expressions.is_empty() && !group.inputs.is_empty(),
                "{}",
                group.name
            );
            assert!(
                groups
                    .iter()
                    .skip(index + 1)
                    .all(|other| other.name != group.name)
            );
        }
    }
}
