//! HPACK as a whole: the standard's own examples, and another implementation on the other side.
#![allow(missing_docs, clippy::unwrap_used, reason = "they are tests")]

use proptest::prelude::*;
use tidegate_http2::hpack::{CompressionError, Decoder, Encoder, Pseudo, Then};
use tidegate_sample::head::FieldName;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, CompressionError> {
    let (mut fields, mut text) = (Vec::new(), Vec::new());
    decoder.decode(block, &mut text, |field| {
        fields.push((field.name.as_bytes().to_vec(), field.value.to_vec()));
        Then::Keep
    })?;
    Ok(fields)
}

fn encoded(encoder: &mut Encoder, fields: &Fields) -> Vec<u8> {
    let mut out = Vec::new();
    let mut block = encoder.block(&mut out);
    for (name, value) in fields {
        match &name[..] {
            b":authority" => block.pseudo(Pseudo::Authority, value),
            b":method" => block.pseudo(Pseudo::Method, value),
            b":path" => block.pseudo(Pseudo::Path, value),
            b":protocol" => block.pseudo(Pseudo::Protocol, value),
            b":scheme" => block.pseudo(Pseudo::Scheme, value),
            b":status" => block.pseudo(Pseudo::Status, value),
            name => block.field(FieldName::of(name), value),
        }
    }
    out
}

/// The other implementation.
struct Other(fluke_hpack::Decoder<'static>);

impl Other {
    fn new() -> Other {
        Other(fluke_hpack::Decoder::new())
    }

    /// None if it is no block. The other panics where a table's size is cut off, and is of no more use then.
    fn decoded(&mut self, block: &[u8]) -> Option<Fields> {
        let decode = || self.0.decode(block).ok();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode)).ok()?
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn fields(lines: &str) -> Fields {
    let parted = |line: &str| {
        let (name, value) = line.trim().rsplit_once(": ").unwrap();
        (name.into(), value.into())
    };
    lines.split('|').map(parted).collect()
}

/// RFC 7541, appendix C: the size of the table, and blocks of one connection with what they say.
const EXAMPLES: &[(usize, &[(&str, &str)])] = &[
    // C.2.1
    (4096, &[(
        "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
        "custom-key: custom-header",
    )]),
    // C.2.2
    (4096, &[("040c2f73616d706c652f70617468", ":path: /sample/path")]),
    // C.2.3
    (4096, &[("100870617373776f726406736563726574", "password: secret")]),
    // C.2.4
    (4096, &[("82", ":method: GET")]),
    // C.3
    (4096, &[
        (
            "828684410f7777772e6578616d706c652e636f6d",
            ":method: GET|:scheme: http|:path: /|:authority: www.example.com",
        ),
        (
            "828684be58086e6f2d6361636865",
            ":method: GET|:scheme: http|:path: /|:authority: www.example.com|cache-control: no-cache",
        ),
        (
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value",
        ),
    ]),
    // C.4
    (4096, &[
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            ":method: GET|:scheme: http|:path: /|:authority: www.example.com",
        ),
        (
            "828684be5886a8eb10649cbf",
            ":method: GET|:scheme: http|:path: /|:authority: www.example.com|cache-control: no-cache",
        ),
        (
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value",
        ),
    ]),
    // C.5
    (256, &[
        (
            "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54
             6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
            ":status: 302|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com",
        ),
        (
            "4803333037c1c0bf",
            ":status: 307|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com",
        ),
        (
            "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a6970
             7738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d33363030
             3b2076657273696f6e3d31",
            ":status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|location: https://www.example.com
             |content-encoding: gzip|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ]),
    // C.6
    (256, &[
        (
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            ":status: 302|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com",
        ),
        (
            "4883640effc1c0bf",
            ":status: 307|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com",
        ),
        (
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af2708
             7f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            ":status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|location: https://www.example.com
             |content-encoding: gzip|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ]),
];

#[test]
fn the_examples_of_the_standard_are_understood() {
    for (table_bytes_max, blocks) in EXAMPLES {
        let mut decoder = Decoder::new(*table_bytes_max);
        for (block, lines) in *blocks {
            assert_eq!(decoded(&mut decoder, &bytes(block)), Ok(fields(lines)), "{block}");
        }
    }
}

/// Fields of messages, some of which come again and again.
fn some_fields() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        "(host|cookie|authorization|server|content-type|x-forwarded-for|x-a|x-b|accept-encoding|set-cookie)",
        ":(method|path|scheme|status|authority|protocol)",
        "[a-z][a-z0-9-]{0,12}",
    ];
    let value = prop_oneof![
        "(GET|POST|/|200|http|https|a=1; b=2|gzip, deflate|text/html; charset=utf-8)",
        "[ -~]{0,60}",
        "[a-z]{0,3}",
        "[a-z]{200,1500}",
        prop::collection::vec(any::<u8>(), 0..30).prop_map(|b| String::from_utf8_lossy(&b).into_owned()),
    ];
    let field = (name, value).prop_map(|(name, value)| (name.into_bytes(), value.into_bytes()));
    prop::collection::vec(field, 1..12)
}

/// What happens on a connection.
#[derive(Clone, Debug)]
enum Step {
    /// The same fields are sent so many times.
    Send(Fields, usize),
    /// The receiver offers a table of another size.
    Resize(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (some_fields(), 1_usize..5).prop_map(|(fields, times)| Step::Send(fields, times)),
        1 => prop_oneof![Just(0_usize), 0_usize..300, 0_usize..10_000].prop_map(Step::Resize),
    ];
    prop::collection::vec(step, 1..15)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_sent_comes_whatever_the_table_is(steps in steps()) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        for step in steps {
            match step {
                Step::Send(fields, times) => for _ in 0..times {
                    let block = encoded(&mut encoder, &fields);
                    prop_assert_eq!(decoded(&mut decoder, &block), Ok(fields.clone()));
                }
                Step::Resize(bytes_max) => {
                    encoder.set_table_bytes_max(bytes_max);
                    decoder.set_table_bytes_max(bytes_max);
                }
            }
        }
    }

    #[test]
    fn another_decoder_understands_what_is_written(steps in steps()) {
        let (mut encoder, mut other) = (Encoder::new(), Other::new());
        for step in steps {
            match step {
                Step::Send(fields, times) => for _ in 0..times {
                    let block = encoded(&mut encoder, &fields);
                    prop_assert_eq!(other.decoded(&block).unwrap(), fields.clone());
                }
                Step::Resize(bytes_max) => encoder.set_table_bytes_max(bytes_max),
            }
        }
    }

    #[test]
    fn what_another_encoder_writes_is_understood(heads in prop::collection::vec(some_fields(), 1..8)) {
        let (mut other, mut decoder) = (fluke_hpack::Encoder::new(), Decoder::new(4096));
        for fields in heads {
            for _ in 0..2 {
                let block = other.encode(fields.iter().map(|(name, value)| (&name[..], &value[..])));
                prop_assert_eq!(decoded(&mut decoder, &block), Ok(fields.clone()));
            }
        }
    }

    #[test]
    fn whatever_comes_has_bounds(
        table_bytes_max in 0_usize..1000,
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..10),
        stop in 0_usize..10,
    ) {
        let mut decoder = Decoder::new(table_bytes_max);
        for block in blocks {
            let (mut text, mut taken) = (Vec::new(), 0);
            let result = decoder.decode(&block, &mut text, |field| {
                taken += 1;
                assert!(taken <= stop + 1 && field.value.len() <= 13 + table_bytes_max + 2 * block.len());
                if taken > stop { Then::Stop } else { Then::Keep }
            });
            prop_assert!(text.len() <= stop * (13 + table_bytes_max + 2 * block.len()));
            if result.is_err() {
                break;
            }
        }
    }

    /// Where the other takes a block for one, so do we, and it says the same.
    #[test]
    fn blocks_mean_what_they_mean_to_another(
        blocks in prop::collection::vec(
            prop::collection::vec(prop_oneof![3 => any::<u8>(), 4 => 0x80_u8..0xc4, 2 => 0x40_u8..0x48, 2 => 0_u8..4], 0..40),
            1..10,
        ),
    ) {
        let (mut decoder, mut other) = (Decoder::new(4096), Other::new());
        for block in blocks {
            let (ours, theirs) = (decoded(&mut decoder, &block), other.decoded(&block));
            match (ours, theirs) {
                (Ok(ours), Some(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(CompressionError), _) | (_, None) => break,
            }
        }
    }
}
