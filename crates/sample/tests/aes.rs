//! AES, and JSON Web Tokens encrypted with it. The tokens under data/jwt were made with OpenSSL.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

mod common;

use common::Fake;
use proptest::prelude::*;
use tidegate_sample::vars::{self, VarName};
use tidegate_sample::{Expr, Value};

const KEY_128: &str = "AAECAwQFBgcICQoLDA0ODw==";
const KEY_192: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const KEY_256: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NONCE: &str = "ZGVmZ2hpamtsbW5v";
const NONCE_16: &str = "ZGVmZ2hpamtsbW5vcHFycw==";

fn eval(text: &str, fake: &Fake) -> Option<Value> {
    let expr = text.parse::<Expr>();
    expr.unwrap_or_else(|error| panic!("{text}: {error}")).eval(fake)
}

#[test]
fn what_openssl_encrypted_with_gcm() {
    for (bits, key, nonce, tag, data) in [
        (
            128,
            KEY_128,
            NONCE,
            "qTTmLlG7xmuhGYlfP5Amtw==",
            "720722c9b422cf95e95233",
        ),
        (
            128,
            KEY_128,
            "ZGVmZ2hpams=",
            "Oxft0PEZc+GncRTSoRhKCw==",
            "67a76cbac7ae9388c7e8c0",
        ),
        (
            128,
            KEY_128,
            NONCE_16,
            "FAO/fomeuBwZjiUT6ptx8Q==",
            "4a93768ddbe5e23d15448f",
        ),
        (
            192,
            KEY_192,
            NONCE,
            "fsiHVIPNlRxjidFQnsGC+Q==",
            "810dd7103d8f7957a1bd86",
        ),
        (
            192,
            KEY_192,
            "ZGVmZ2hpams=",
            "5indKksxeS9DSwbyZctGfA==",
            "1368331cfc80adbb61676d",
        ),
        (
            192,
            KEY_192,
            NONCE_16,
            "OGgNx3F9hs4bT/mGISpuew==",
            "fe52d4f17e953822b5c261",
        ),
        (
            256,
            KEY_256,
            NONCE,
            "fKHY0py4jtcI+LNQ+4Y+7Q==",
            "207eb20a16c921f14c0e3b",
        ),
        (
            256,
            KEY_256,
            "ZGVmZ2hpams=",
            "CdoBSGyHdgy+CZyDfJoaoQ==",
            "0b095f154615d631d04718",
        ),
        (
            256,
            KEY_256,
            NONCE_16,
            "psAJfncPxmbx2gBr7W2SYg==",
            "b0d62f3d8b3450b7c095c9",
        ),
    ] {
        let fake = Fake::new();
        for (name, value) in [("txn.nonce", nonce), ("txn.key", key), ("txn.tag", tag)] {
            fake.set(name, Value::str(value));
        }
        let hello = Some(Value::bin("hello world"));
        assert_eq!(
            eval(
                &format!("bin({data}),aes_gcm_dec({bits},{nonce},{key},{tag})"),
                &fake
            ),
            hello,
            "{key} {nonce}"
        );
        assert_eq!(
            eval(
                &format!("bin({data}),aes_gcm_dec({bits},txn.nonce,txn.key,txn.tag)"),
                &fake
            ),
            hello
        );
        let other = if bits == 128 { 256 } else { 128 };
        for wrong in [
            format!("bin(00{data}),aes_gcm_dec({bits},txn.nonce,txn.key,txn.tag)"),
            format!("bin({data}),aes_gcm_dec({bits},txn.nonce,txn.key,AAAAAAAAAAAAAAAAAAAAAA==)"),
            format!("bin({data}),aes_gcm_dec({bits},txn.nonce,txn.key,txn.tag,AAAA)"),
            format!("bin({data}),aes_gcm_dec({other},txn.nonce,txn.key,txn.tag)"),
            format!("bin({data}),aes_gcm_dec({bits},txn.nope,txn.key,txn.tag)"),
            format!("bin({data}),aes_gcm_dec({bits},txn.text,txn.key,txn.tag)"),
            format!("bin({data}),aes_gcm_dec({bits},txn.nonce,txn.key,txn.nonce)"),
        ] {
            assert_eq!(eval(&wrong, &fake), None, "{wrong}");
        }
    }
}

/// SP 800-38A, sections F.2.1, F.2.3 and F.2.5: the first block of each.
#[test]
fn nist_s_vectors_for_cbc() {
    let iv = "AAECAwQFBgcICQoLDA0ODw==";
    for (bits, key, first) in [
        (
            128,
            "K34VFiiu0qar9xWICc9PPA==",
            "7649ABAC8119B246CEE98E9B12E9197D",
        ),
        (
            192,
            "jnOw99oOZFLIEPMrgJB55WL46tJSLGt7",
            "4F021DB243BC633D7178183A9FA071E8",
        ),
        (
            256,
            "YD3rEBXKcb4rc67whX13gR81LAc7YQjXLZgQowkU3/Q=",
            "F58C4C04D6E5F1BA779EABFB5F7BFBD6",
        ),
    ] {
        let plain = "6bc1bee22e409f96e93d7e117393172a";
        let text = format!("bin({plain}),aes_cbc_enc({bits},{iv},{key})");
        let fake = Fake::new();
        match eval(&format!("{text},hex"), &fake) {
            Some(Value::Str(hex)) => {
                assert_eq!(hex.len(), 64, "a whole block is filled up with another");
                assert_eq!(String::from_utf8_lossy(&hex[..32]), first);
            }
            other => panic!("{other:?}"),
        }
        let back = format!("{text},aes_cbc_dec({bits},{iv},{key}),hex");
        assert_eq!(eval(&back, &fake), Some(Value::str(plain.to_uppercase())));
        for broken in ["", &first[2..], first, "00"] {
            let broken = format!("str({broken}),lower,aes_cbc_dec({bits},{iv},{key})");
            assert_eq!(eval(&broken, &fake), None, "{broken}");
        }
    }
}

#[test]
fn encrypting_puts_the_tag_into_its_variable() {
    let fake = Fake::new();
    let text = format!("str(hello world),aes_gcm_enc(128,{NONCE},{KEY_128},txn.tag),hex");
    assert_eq!(eval(&text, &fake), Some(Value::str("720722C9B422CF95E95233")));
    let tag = vars::value(&fake, &VarName::parse("txn.tag").unwrap());
    assert_eq!(tag, Some(Value::str("qTTmLlG7xmuhGYlfP5Amtw==")));
    // The example of the manual, there and back, with additional data.
    fake.set("txn.nonce", Value::str(NONCE));
    fake.set("txn.aad", Value::str("YWFk"));
    let there = "str(plain),aes_gcm_enc(128,txn.nonce,Zm9vb2Zvb29mb29wZm9vbw==,txn.aead_tag,YWFk)";
    let back = format!("{there},aes_gcm_dec(128,txn.nonce,Zm9vb2Zvb29mb29wZm9vbw==,txn.aead_tag,txn.aad)");
    assert_eq!(eval(&back, &fake), Some(Value::bin("plain")));
    let other = format!("{there},aes_gcm_dec(128,txn.nonce,Zm9vb2Zvb29mb29wZm9vbw==,txn.aead_tag)");
    assert_eq!(eval(&other, &fake), None);
}

#[test]
fn arguments_that_can_not_be() {
    for (text, part) in [
        (
            format!("aes_gcm_dec(64,{NONCE},{KEY_128},{KEY_128})"),
            "a key has 128, 192 or 256 bits",
        ),
        (
            format!("aes_gcm_dec(128,{NONCE},{KEY_256},{KEY_128})"),
            "the key has 32 bytes and should have 16",
        ),
        (
            format!("aes_gcm_dec(128,AAAA,{KEY_128},{KEY_128})"),
            "the nonce has 3 bytes and should have 12 or 8 or 16",
        ),
        (
            format!("aes_gcm_dec(128,{NONCE},{KEY_128},{NONCE})"),
            "the tag has 12 bytes and should have 16",
        ),
        (
            format!("aes_gcm_dec(128,!!,{KEY_128},{KEY_128})"),
            "the nonce is neither a variable nor base64",
        ),
        (
            format!("aes_gcm_dec(128,{NONCE},!!,{KEY_128})"),
            "the key is neither",
        ),
        (
            format!("aes_gcm_dec(128,{NONCE},{KEY_128},{KEY_128},!!)"),
            "the additional data is neither",
        ),
        (format!("aes_gcm_dec(128,{NONCE},{KEY_128})"), "misses argument 4"),
        (
            format!("aes_gcm_enc(128,{NONCE},{KEY_128},tag)"),
            "the tag needs a variable",
        ),
        (
            format!("aes_cbc_enc(128,{KEY_256},{KEY_128})"),
            "base64 of up to 16 bytes",
        ),
        (
            format!("aes_cbc_dec(128,{KEY_128},{KEY_128},!!)"),
            "the additional data is neither",
        ),
        (
            "jwt_decrypt_secret(!)".to_string(),
            "neither a variable nor base64",
        ),
        (
            "jwt_decrypt_secret()".to_string(),
            "neither a variable nor base64",
        ),
        ("jwt_decrypt_jwk(x)".to_string(), "a JSON Web Key with a `kty`"),
        ("jwt_decrypt_jwk('{\"kty\":\"oct\"}')".to_string(), "no `k`"),
        (
            "jwt_decrypt_jwk('{\"kty\":\"RSA\"}')".to_string(),
            "the key has no `n`",
        ),
    ] {
        let error = format!("str(x),{text}").parse::<Expr>().unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn short_nonces_and_additional_data_do_no_harm_to_cbc() {
    let both = format!(
        "str(secret),aes_cbc_enc(128,{NONCE},{KEY_128},AAAA),aes_cbc_dec(128,{NONCE}AAAAAA==,{KEY_128})"
    );
    assert_eq!(eval(&both, &Fake::new()), Some(Value::bin("secret")));
}

fn encrypted() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    include_str!("data/jwt/encrypted.tsv").lines().map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        (format!("{} {}", columns[0], columns[1]), columns[2], columns[3])
    })
}

fn jwk(secret: &str) -> String {
    format!("{{\"kty\":\"oct\",\"k\":\"{secret}\"}}")
}

#[test]
fn tokens_of_every_algorithm_are_decrypted() {
    assert_eq!(encrypted().count(), 7 * 6);
    for (name, secret, token) in encrypted() {
        let fake = Fake::new();
        fake.set("txn.secret", Value::str(secret));
        fake.set("txn.jwk", Value::str(jwk(secret)));
        for converter in [
            format!("jwt_decrypt_secret({secret})"),
            "jwt_decrypt_secret(txn.secret)".to_string(),
            format!("jwt_decrypt_jwk('{}')", jwk(secret)),
            "jwt_decrypt_jwk(txn.jwk)".to_string(),
        ] {
            let content = eval(&format!("str({token}),{converter}"), &fake);
            assert_eq!(
                content,
                Some(Value::bin(r#"{"iss":"joe","secret":"tide"}"#)),
                "{name} {converter}"
            );
        }
        // A change in any of the five parts.
        let parts: Vec<&str> = token.split('.').collect();
        for index in 0..5 {
            let mut changed = parts.clone();
            let swapped: String = parts[index]
                .chars()
                .map(|c| if c == 'A' { 'B' } else { 'A' })
                .collect();
            let swapped = if swapped.is_empty() {
                "AAAA".to_string()
            } else {
                swapped
            };
            changed[index] = &swapped;
            let content = eval(
                &format!("str({}),jwt_decrypt_secret({secret})", changed.join(".")),
                &fake,
            );
            assert_eq!(content, Some(Value::bin("")), "{name}: part {index}");
        }
        assert_eq!(
            eval(&format!("str({token}),jwt_decrypt_secret(AAAA)"), &fake),
            Some(Value::bin("")),
            "{name}"
        );
    }
}

/// A token with this header, whose content is encrypted directly with the key of 128 bits.
fn sealed(header: &str) -> String {
    let fake = Fake::new();
    fake.set("txn.header", Value::str(header));
    let text = |expr: &str| match eval(expr, &fake) {
        Some(Value::Str(text)) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{expr}: {other:?}"),
    };
    let header = text("var(txn.header),ub64enc");
    fake.set("txn.aad", Value::str(text(&format!("str({header}),base64"))));
    let content = text(&format!(
        "str(content),aes_gcm_enc(128,{NONCE},{KEY_128},txn.tag,txn.aad),ub64enc"
    ));
    format!(
        "{header}..{NONCE}.{content}.{}",
        text("var(txn.tag),b64dec,ub64enc")
    )
}

#[test]
fn what_a_header_asks_for_is_done_or_nothing_is() {
    for (header, want) in [
        (r#"{"alg":"dir","enc":"A128GCM"}"#, "content"),
        (r#"{"alg":"dir","enc":"A128GCM","crit":["x"],"x":1}"#, ""),
        (r#"{"alg":"dir","enc":"A128GCM","cr\u0069t":["x"]}"#, ""),
        (r#"{"alg":"dir","enc":"A128GCM","zip":"DEF"}"#, ""),
        (r#"{"alg":"dir","enc":"A256GCM"}"#, ""),
        (r#"{"alg":"dir"}"#, ""),
        (r#"{"enc":"A128GCM"}"#, ""),
        (r#"{"alg":"none","enc":"A128GCM"}"#, ""),
    ] {
        let text = format!("str({}),jwt_decrypt_secret({KEY_128})", sealed(header));
        assert_eq!(eval(&text, &Fake::new()), Some(Value::bin(want)), "{header}");
    }
}

/// RFC 7516, appendix A.3.
#[test]
fn the_rfc_s_example() {
    let token = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.\
                 AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ";
    let content = eval(
        &format!("str({token}),jwt_decrypt_secret(GawgguFyGrWKav7AX4VKUg)"),
        &Fake::new(),
    );
    assert_eq!(content, Some(Value::bin("Live long and prosper.")));
}

#[test]
fn what_can_not_be_decrypted_is_empty() {
    let fake = Fake::new();
    fake.set("txn.rsa", Value::str(r#"{"kty":"RSA"}"#));
    let (_, secret, token) = encrypted().next().unwrap();
    for text in [
        "str(),jwt_decrypt_secret(AAAA)".to_string(),
        "str(a.b.c),jwt_decrypt_secret(AAAA)".to_string(),
        format!("str({token}.x),jwt_decrypt_secret({secret})"),
        format!("str({token}),jwt_decrypt_secret(txn.nope)"),
        format!("str({token}),jwt_decrypt_jwk(txn.rsa)"),
        // {"alg":"RSA-OAEP","enc":"A128GCM"}
        format!(
            "str(eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkExMjhHQ00ifQ.AA.AA.AA.AA),jwt_decrypt_secret({secret})"
        ),
    ] {
        assert_eq!(eval(&text, &fake), Some(Value::bin("")), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encrypted_is_decrypted(data in proptest::collection::vec(any::<u8>(), 1..100)) {
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        let fake = Fake::new();
        for (bits, key) in [(128, KEY_128), (192, KEY_192), (256, KEY_256)] {
            let cbc = format!("bin({hex}),aes_cbc_enc({bits},{NONCE_16},{key}),aes_cbc_dec({bits},{NONCE_16},{key})");
            prop_assert_eq!(eval(&cbc, &fake), Some(Value::bin(data.as_slice())));
            let gcm = format!("bin({hex}),aes_gcm_enc({bits},{NONCE},{key},txn.t),aes_gcm_dec({bits},{NONCE},{key},txn.t)");
            prop_assert_eq!(eval(&gcm, &fake), Some(Value::bin(data.as_slice())));
        }
    }

    #[test]
    fn any_bytes_end_well(token in "[A-Za-z.]{0,60}", data in proptest::collection::vec(any::<u8>(), 1..50)) {
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        eval(&format!("str({token}),jwt_decrypt_secret(AAAA)"), &Fake::new());
        eval(&format!("bin({hex}),aes_cbc_dec(128,{NONCE_16},{KEY_128})"), &Fake::new());
        eval(&format!("bin({hex}),aes_gcm_dec(128,{NONCE},{KEY_128},{KEY_128})"), &Fake::new());
    }
}
