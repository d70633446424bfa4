//! `compression` lines.

use super::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::CompressionAlgorithm;
use crate::parse::args::{Args, Parsed, bad_argument, pick};

/// `compression <setting> ...`
pub(super) fn compression(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    #[derive(Clone, Copy)]
    enum Setting {
        Algorithms,
        AlgorithmOfRequests,
        Types,
        TypesOfRequests,
        Direction,
        RequestBytesMin,
        ResponseBytesMin,
        Offload,
    }
    let names = [
        ("algo", Setting::Algorithms),
        ("algo-res", Setting::Algorithms),
        ("algo-req", Setting::AlgorithmOfRequests),
        ("type", Setting::Types),
        ("type-res", Setting::Types),
        ("type-req", Setting::TypesOfRequests),
        ("direction", Setting::Direction),
        ("minsize-req", Setting::RequestBytesMin),
        ("minsize-res", Setting::ResponseBytesMin),
        ("offload", Setting::Offload),
    ];
    let setting = args.one_of("a setting of `compression`", &names)?;
    let in_defaults = cx.in_defaults();
    let settings = cx.proxy.compression.get_or_insert_default();
    match setting {
        Setting::Algorithms => {
            args.peek()
                .ok_or_else(|| args.missing("an algorithm such as `gzip`"))?;
            for word in args.take_rest() {
                let algorithm = pick(word, "an algorithm of compression", &ALGORITHMS)?;
                if !settings.response.contains(&algorithm) {
                    settings.response.push(algorithm);
                }
            }
        }
        Setting::AlgorithmOfRequests => {
            settings.request = Some(args.one_of("an algorithm of compression", &ALGORITHMS)?);
        }
        Setting::Types => types(&mut settings.response_types, args)?,
        Setting::TypesOfRequests => types(&mut settings.request_types, args)?,
        Setting::Direction => {
            let directions = [
                ("request", (true, true)),
                ("response", (false, false)),
                ("both", (true, false)),
            ];
            (settings.of_requests, settings.not_of_responses) =
                args.one_of("a direction of compression", &directions)?;
        }
        Setting::RequestBytesMin => settings.request_bytes_min = args.size()?,
        Setting::ResponseBytesMin => settings.response_bytes_min = args.size()?,
        Setting::Offload if in_defaults => {
            let message = "`compression offload` is ignored in a `defaults` section";
            cx.diagnostics
                .push(Diagnostic::warning(code::WRONG_SECTION, args.last(), message));
        }
        Setting::Offload => settings.offload = true,
    }
    Ok(())
}

const ALGORITHMS: [(&str, CompressionAlgorithm); 4] = [
    ("identity", CompressionAlgorithm::Identity),
    ("gzip", CompressionAlgorithm::Gzip),
    ("deflate", CompressionAlgorithm::Deflate),
    ("raw-deflate", CompressionAlgorithm::RawDeflate),
];

fn types(to: &mut Vec<String>, args: &mut Args<'_>) -> Parsed<()> {
    args.peek()
        .ok_or_else(|| args.missing("a type such as `text/html`"))?;
    for word in args.take_rest() {
        if word.bytes().is_empty() {
            return bad_argument(word, "the type is empty");
        }
        to.push(word.text()?.to_owned());
    }
    Ok(())
}
