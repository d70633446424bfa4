//! What a head costs to read and to write, and what another implementation takes for it.
//!
//! `cargo bench -p tidegate-http2` measures and prints the table that docs/benchmarks.md keeps. To count instructions, name a row and how often
//! it is to be done, and take the difference of two numbers of times:
//! `valgrind --tool=callgrind BINARY --bench --times 2000 'curl, first, read'`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it is a bench"
)]

use std::hint::black_box;
use std::time::Instant;

use tidegate_http2::hpack::{Decoder, Encoder, Field, Name, Pseudo, Then};
use tidegate_sample::head::FieldName;

/// Heads of one connection each, as a usual encoder writes them: strings are coded, and all but paths, dates and lengths is stored.
const CONNECTIONS: &[(&str, [&str; 2])] = &[
    (
        "curl's request",
        [
            "82148d6075998324b4a3fcac7316017f87418cf1e3c2e5f23a6ba0ab90f4ff7a8825b650c3cb85a5c35383f963e7",
            "82148d6075998324b4a3fcac7316017f87c0bfbe",
        ],
    ),
    (
        "a browser's request",
        [
            "82418cf1e3c2e5f23a6ba0ab90f4ff87148d606c4a6b1095ab1cc55e74d34740874148b1275ad1ffb8fe6f4f61e935b4ff3f\
     7de0fe42d0bf9fa53f9c473cd4154bd3d87a4bfcfdf783f90b42fe7e94fe749d3142a5db07549fcfdf783f97dffe7f408b41\
     48b1275ad1ad49e3350582ff01408d4148b1275ad1ad5d034ca7b29f87fe739aab7cff3f4092b6b9ac1c8558d520a4b6c2ad\
     617b5a54251f810f7aced07f66a281b0dae053fafc087ed4ce6aadf2a7979c89c6bfb521aeba0bc8b1e632586d975765c53f\
     acd8f7e8cff4a506ea5531149d4ffda97a7b0f49580b425c0b817029b8728ec330db2eaecb9f53e5497ca589d34d1f43aeba\
     0c41a4c7a98f33a69a3fdf9a68fa1d75d0620d263d4c79a68fbed00177fe8d48e62b03ee697e8d48e62b1e0b1d7f46a47315\
     81d754df5f2c7cfdf6800bbdf43aeba0c41a4c7a9841a6a8b22c5f249c754c5fbef046cfdf6800bbbf408a4148b4a5492759\
     06497f8840e92ac7b0d31aaf408a4148b4a549275a93c85f86a87dcd30d25f408a4148b4a549275ad416cf82ff03408a4148\
     b4a549275a42a13f8690e4b692d49f73929d29ad171863c78f0b97c8e9ae82ae43d2c750929bd9abfa5242cb40d25fa523b3\
     e94f684c9f51932d4b62bbf45abefb4005dffa90bf7da002ef7f60a04150831ea8012bd28e46e35a47c91acd38fcab0c2e36\
     b3a079c75d13cfb602ff60884ce5a4b0483b3aff4086aec31ec327d785b6007d286f",
            "82ce87149c607624c4a0a86040138c042c20a43d522f3a69a3fc96c3d304a6b109cdcccbcac9c8c7c6c5c4c3c2c1c0bfbe",
        ],
    ),
    (
        "a response",
        [
            "887684aa6355e71f1296dd6d5f4a09f5349fba82009c500cdc0bb71b0a98b46f5f92497ca589d34d1f6a1271d882a60b532a\
     cf7f1f0d836c2267",
            "88bf1f1296dd6d5f4a09f5349fba82009c500cdc0bb71b1298b46fbe1f0d84101a783f",
        ],
    ),
];

fn main() {
    let asked = Asked::of(std::env::args().skip(1));
    println!("| | bytes | fluke-hpack | Tidegate |");
    println!("|---|---|---|---|");
    for (name, blocks) in CONNECTIONS {
        let [first, next] = blocks.map(bytes);
        let heads = heads([&first, &next]);
        let mut text = Vec::new();
        asked.row(
            &format!("{name}, first, read"),
            first.len(),
            || read_by_other(&mut fluke_hpack::Decoder::new(), &first),
            || read(&mut Decoder::new(4096), &first, &mut text),
        );
        let mut other = fluke_hpack::Decoder::new();
        read_by_other(&mut other, &first);
        let mut decoder = Decoder::new(4096);
        read(&mut decoder, &first, &mut text);
        asked.row(
            &format!("{name}, next, read"),
            next.len(),
            || read_by_other(&mut other, &next),
            || read(&mut decoder, &next, &mut text),
        );
        let mut out = Vec::new();
        asked.row(
            &format!("{name}, first, written"),
            written(&mut Encoder::new(), &heads[0], &mut out),
            || written_by_other(&mut fluke_hpack::Encoder::new(), &heads[0]),
            || written(&mut Encoder::new(), &heads[0], &mut out),
        );
        let (mut other, mut encoder) = (fluke_hpack::Encoder::new(), Encoder::new());
        for _ in 0..3 {
            written(&mut encoder, &heads[1], &mut out);
        }
        asked.row(
            &format!("{name}, again, written"),
            written(&mut encoder, &heads[1], &mut out),
            || written_by_other(&mut other, &heads[1]),
            || written(&mut encoder, &heads[1], &mut out),
        );
    }
}

/// What the command line asks for.
struct Asked {
    is_bench: bool,
    times: Option<u32>,
    row: Option<String>,
}

impl Asked {
    fn of(arguments: impl Iterator<Item = String>) -> Asked {
        let (mut is_bench, mut times, mut row) = (false, None, None);
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--bench" => is_bench = true,
                "--times" => times = arguments.next().and_then(|times| times.parse().ok()),
                _ => row = Some(argument),
            }
        }
        Asked { is_bench, times, row }
    }

    fn row<A, B>(&self, name: &str, bytes: usize, mut other: impl FnMut() -> A, mut ours: impl FnMut() -> B) {
        if self.row.as_ref().is_some_and(|row| !name.contains(row)) {
            return;
        }
        if let Some(times) = self.times {
            return (0..times).for_each(|_| drop(black_box(ours())));
        }
        println!(
            "| {name} | {bytes} | {} | {} |",
            self.time(2_000, &mut other),
            self.time(100_000, &mut ours)
        );
    }

    fn time<A>(&self, times: u32, what: &mut impl FnMut() -> A) -> String {
        // `cargo test --benches` only wants to see that all of it runs.
        let times = if self.is_bench { times } else { 10 };
        let mut best = f64::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            (0..times).for_each(|_| drop(black_box(what())));
            best = best.min(start.elapsed().as_secs_f64());
        }
        format!("{:.0} ns", best * 1e9 / f64::from(times))
    }
}

fn read(decoder: &mut Decoder, block: &[u8], text: &mut Vec<u8>) -> usize {
    let mut bytes = 0;
    let taken = decoder.decode(black_box(block), text, |field| {
        bytes += black_box(&field).size();
        Then::Forget
    });
    taken.unwrap();
    bytes
}

fn read_by_other(decoder: &mut fluke_hpack::Decoder<'_>, block: &[u8]) -> usize {
    let mut bytes = 0;
    let taken = decoder.decode_with_cb(black_box(block), |name, value| {
        bytes += black_box(name).len() + black_box(value).len();
    });
    taken.unwrap();
    bytes
}

enum Part {
    Pseudo(Pseudo, Vec<u8>),
    /// Names that are looked for once, as in our heads.
    Field(FieldName<'static>, Vec<u8>),
}

/// What blocks of a connection say.
fn heads(blocks: [&[u8]; 2]) -> [Vec<Part>; 2] {
    let mut decoder = Decoder::new(4096);
    blocks.map(|block| {
        let mut parts = Vec::new();
        let taken = decoder.decode(block, &mut Vec::new(), |Field { name, value, .. }| {
            parts.push(match name {
                Name::Pseudo(pseudo) => Part::Pseudo(pseudo, value.into()),
                name => Part::Field(FieldName::of(name.as_bytes().to_vec().leak()), value.into()),
            });
            Then::Forget
        });
        taken.unwrap();
        parts
    })
}

fn written(encoder: &mut Encoder, head: &[Part], out: &mut Vec<u8>) -> usize {
    out.clear();
    let mut block = encoder.block(out);
    for part in head {
        match part {
            Part::Pseudo(name, value) => block.pseudo(*name, value),
            Part::Field(name, value) => block.field(*name, value),
        }
    }
    out.len()
}

fn written_by_other(encoder: &mut fluke_hpack::Encoder<'_>, head: &[Part]) -> usize {
    let fields = head.iter().map(|part| match part {
        Part::Pseudo(name, value) => (name.as_str().as_bytes(), &value[..]),
        Part::Field(name, value) => (name.as_bytes(), &value[..]),
    });
    encoder.encode(fields).len()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
