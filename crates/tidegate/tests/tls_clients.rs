//! Clients' certificates: who may vouch for them, which authorities are named to clients, and which faults are forgiven.

mod support;

use std::sync::{Arc, Mutex};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use support::Result;
use support::site::Site;
use support::tls::{Authority, Issued, connect, get};

/// A `bind` line for each of these words, and a body that tells what was found of the client's certificate.
fn config(binds: &[&str]) -> String {
    let bind = |(port, words): (u16, &&str)| {
        format!("    bind 127.0.0.1:{port} ssl crt site/a.pem ca-file site/root.pem {words}\n")
    };
    let binds: String = (8443..).zip(binds).map(bind).collect();
    format!(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         frontend site\n{binds}    http-request return status 200 content-type text/plain lf-string \
         \"%[ssl_c_verify] %[ssl_c_err] %[ssl_c_ca_err] %[ssl_c_ca_err_depth] %[ssl_c_s_dn(CN)]\"\n"
    )
}

/// What a client with this certificate is told; `None` if its hands are not shaken.
fn ask(site: &Site, ca: &Authority, bind: usize, with: &Issued) -> Result<Option<String>> {
    let config = ca.client_of(&[&TLS13, &TLS12], Some(with))?;
    // A refusal of TLS 1.3 comes behind the handshake.
    let asked = connect(&config, site.connect(bind)?, "a.test").and_then(|tls| get(tls, "/", "a.test"));
    Ok(asked.ok().and_then(|answer| {
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some(body.to_owned())
    }))
}

/// A client without a certificate, which keeps the names of the authorities that a server knows.
#[derive(Debug, Default)]
struct Listening(Mutex<Vec<Vec<u8>>>);

impl ResolvesClientCert for Listening {
    fn resolve(&self, authorities: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        if let Ok(mut kept) = self.0.lock() {
            *kept = authorities.iter().map(|name| name.to_vec()).collect();
        }
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Which of these names a listener tells clients.
fn named(site: &Site, ca: &Authority, bind: usize, names: &[&'static str]) -> Result<Vec<&'static str>> {
    let listening = Arc::new(Listening::default());
    let mut config = ca.client()?;
    config.client_auth_cert_resolver = listening.clone();
    let client = connect(&config, site.connect(bind)?, "a.test")?;
    drop(client);
    let told = listening.0.lock().map_err(|_| "poisoned")?;
    let has = |name: &&&str| {
        let name = name.as_bytes();
        told.iter()
            .any(|told| told.windows(name.len()).any(|part| part == name))
    };
    Ok(names.iter().filter(has).copied().collect())
}

#[test]
fn authorities_are_named_and_vouch_as_the_line_says() -> Result<()> {
    let (root, other) = (Authority::new("the-root")?, Authority::new("the-other")?);
    let third = Authority::new("the-third")?;
    let own = root.issue(&["a.test"])?;
    let site = Site::start(
        "tls-authorities",
        &[
            (
                "site.cfg",
                &config(&[
                    "verify optional",
                    "verify optional no-ca-names",
                    "verify optional ca-verify-file site/other.pem",
                ]),
            ),
            ("a.pem", &own.pem()),
            ("root.pem", &root.pem()),
            ("other.pem", &other.pem()),
        ],
    )?;
    let names = ["the-root", "the-other"];
    assert_eq!(named(&site, &root, 0, &names)?, ["the-root"]);
    assert!(named(&site, &root, 1, &names)?.is_empty());
    assert_eq!(
        named(&site, &root, 2, &names)?,
        ["the-root"],
        "the other vouches, unnamed"
    );
    let (mine, theirs, nobodys) = (
        root.issue(&["me"])?,
        other.issue(&["they"])?,
        third.issue(&["who"])?,
    );
    for bind in 0..3 {
        assert_eq!(ask(&site, &root, bind, &mine)?.as_deref(), Some("0 0 0 0 me"));
        let vouched = (bind == 2).then_some("0 0 0 0 they");
        assert_eq!(ask(&site, &root, bind, &theirs)?.as_deref(), vouched, "{bind}");
        assert_eq!(ask(&site, &root, bind, &nobodys)?, None, "{bind}");
    }
    Ok(())
}

#[test]
fn faults_are_forgiven_by_their_kind_and_depth() -> Result<()> {
    let root = Authority::new("root")?;
    let past = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    };
    let own = root.issue(&["a.test"])?;
    let expired = root.issue_with(&["old"], past)?;
    let stranger = Authority::new("other")?.issue(&["stranger"])?;
    let between = root.authority("between", past)?;
    let mut below = between.issue(&["below"])?;
    below.chain.push(between.der());
    let site = Site::start(
        "tls-forgiven-by-depth",
        &[
            (
                "site.cfg",
                &config(&[
                    "verify required",
                    "verify required crt-ignore-err 10",
                    "verify required crt-ignore-err X509_V_ERR_CERT_HAS_EXPIRED",
                    "verify required ca-ignore-err 10",
                    "verify required ca-ignore-err all",
                    "verify required crt-ignore-err all",
                ]),
            ),
            ("a.pem", &own.pem()),
            ("root.pem", &root.pem()),
        ],
    )?;
    // As HAProxy 2.6 answers with OpenSSL.
    let (leaf, above) = (Some("10 10 0 0 old"), Some("10 0 10 1 below"));
    let answers = [
        (None, None, None),
        (leaf, None, None),
        (leaf, None, None),
        (None, above, None),
        (None, above, None),
        (leaf, None, Some("20 20 0 0 stranger")),
    ];
    for (bind, (of_expired, of_below, of_stranger)) in answers.into_iter().enumerate() {
        let told = |with: &Issued| ask(&site, &root, bind, with);
        assert_eq!(told(&expired)?.as_deref(), of_expired, "{bind}");
        assert_eq!(told(&below)?.as_deref(), of_below, "{bind}");
        assert_eq!(told(&stranger)?.as_deref(), of_stranger, "{bind}");
    }
    Ok(())
}
