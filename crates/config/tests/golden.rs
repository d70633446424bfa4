//! Each `tests/golden/NAME.cfg` is read, and what is said about it must be `tests/golden/NAME.expected`, to the
//! letter. `UPDATE_GOLDEN=1` writes the expectations anew: look at the difference before you commit it.

use std::path::{Path, PathBuf};

use tidegate_config::{Draft, Environment, MemoryFiles, Options, Severity, Style};
use tidegate_sample::{ExternalId, Externals};

/// The fetches and converters of an imagined script.
struct Scripts;

impl Externals for Scripts {
    fn fetch(&self, name: &str) -> Option<ExternalId> {
        (name == "lua.tenant").then_some(ExternalId(0))
    }

    fn converter(&self, name: &str) -> Option<ExternalId> {
        (name == "lua.shout").then_some(ExternalId(0))
    }

    fn fetch_names(&self) -> Vec<String> {
        vec![String::from("lua.tenant")]
    }

    fn converter_names(&self) -> Vec<String> {
        vec![String::from("lua.shout")]
    }
}

fn report(name: &str, text: &[u8]) -> String {
    let files = MemoryFiles::default()
        .with(name, text)
        .with("pages/sorry.html", "<h1>sorry</h1>")
        .with("pages/sorry.http", "HTTP/1.1 503 Sorry\n\n<h1>sorry</h1>")
        .with(
            "pages/short.http",
            "HTTP/1.1 503 Sorry\nContent-Length: 9\n\nsorry",
        )
        .with(
            "countries.map",
            "# country of each\n192.0.2.0/24\tFrance\n  192.0.2.0/240 Nörway\nnowhere x\n",
        )
        .with("nets.lst", "192.0.2.0/24\n")
        .with("many.lst", "x\n".repeat(30));
    let environment: Environment = [("PORT", "8080"), ("BAD", "1x")].into_iter().collect();
    let options = Options {
        environment,
        ..Options::default()
    };
    let loaded = Draft::read(&[PathBuf::from(name)], &files, options).finish(&Scripts, &files);
    let count = |severity| loaded.diagnostics.count(severity);
    let verdict = match &loaded.config {
        Some(config) => format!("valid, {} proxies", config.proxies.len()),
        None => String::from("refused"),
    };
    format!(
        "{}{verdict}: {} errors, {} warnings, {} notices\n",
        loaded.diagnostics.render(&loaded.sources, Style::Plain),
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Notice),
    )
}

#[test]
fn reports_are_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cfg"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 200, "the cases are there: {}", cases.len());
    let mut failed = Vec::new();
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let actual = report(&name, &std::fs::read(&case).unwrap());
        let expected_path = case.with_extension("expected");
        if update {
            std::fs::write(&expected_path, &actual).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if actual != expected {
            failed.push(format!("=== {name}: expected\n{expected}=== got\n{actual}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
