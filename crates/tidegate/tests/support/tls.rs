//! Certificates, and both ends of TLS, for tests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::Result;

/// One who vouches for others.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let der = params.self_signed(&key)?.der().clone();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            der,
        })
    }

    /// Another authority, for which this one vouches.
    pub(crate) fn authority(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        change(&mut params);
        let key = KeyPair::generate()?;
        let der = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            der,
        })
    }

    /// The authority's own certificate, as peers show it.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    /// The authority's own certificate.
    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// A certificate for these hosts; the first is its common name too.
    pub(crate) fn issue(&self, hosts: &[&str]) -> Result<Issued> {
        self.issue_with(hosts, |_| ())
    }

    /// The same with something changed.
    pub(crate) fn issue_with(
        &self,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Issued> {
        let mut params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(first) = hosts.first() {
            params.distinguished_name.push(DnType::CommonName, *first);
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        })
    }

    /// A revocation list with these certificates' serial numbers.
    pub(crate) fn revoke(&self, serials: &[u64]) -> Result<String> {
        let revoked = serials.iter().map(|serial| rcgen::RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(2049, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        Ok(pem("X509 CRL", params.signed_by(&self.issuer)?.der()))
    }

    /// What clients that trust this authority begin with.
    pub(crate) fn client(&self) -> Result<ClientConfig> {
        self.client_of(&[&rustls::version::TLS13, &rustls::version::TLS12], None)
    }

    /// The same with these versions, and maybe a certificate.
    pub(crate) fn client_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        own: Option<&Issued>,
    ) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_root_certificates(roots);
        Ok(match own {
            Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key.clone_key())?,
            None => builder.with_no_client_auth(),
        })
    }
}

/// A certificate that nobody else vouches for, and that could vouch for others: what `openssl req -x509` makes.
pub(crate) fn self_signed(hosts: &[&str]) -> Result<Issued> {
    let mut params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Issued {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    })
}

impl Issued {
    /// The certificate in DER form.
    pub(crate) fn leaf(&self) -> Vec<u8> {
        self.chain.first().map(|der| der.to_vec()).unwrap_or_default()
    }

    /// Certificate and key in one text.
    pub(crate) fn pem(&self) -> String {
        self.certificate() + &self.key()
    }

    pub(crate) fn certificate(&self) -> String {
        self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }

    pub(crate) fn key(&self) -> String {
        pem("PRIVATE KEY", self.key.secret_der())
    }

    /// A server that shows this certificate.
    pub(crate) fn server(&self, alpn: &[&str]) -> Result<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }
}

/// A client's end.
pub(crate) type Client = StreamOwned<ClientConnection, TcpStream>;

/// A server's end.
pub(crate) type Server = StreamOwned<ServerConnection, TcpStream>;

/// Shakes hands with whoever claims to be `name`.
pub(crate) fn connect(config: &ClientConfig, stream: TcpStream, name: &str) -> Result<Client> {
    let name = ServerName::try_from(name.to_owned())?;
    let mut client = StreamOwned::new(ClientConnection::new(Arc::new(config.clone()), name)?, stream);
    client.conn.complete_io(&mut client.sock)?;
    Ok(client)
}

/// Shakes hands with a client.
pub(crate) fn accept(config: &Arc<ServerConfig>, stream: TcpStream) -> Result<Server> {
    let mut server = StreamOwned::new(ServerConnection::new(config.clone())?, stream);
    server.conn.complete_io(&mut server.sock)?;
    Ok(server)
}

/// Sends a GET request and reads the answer to its end.
pub(crate) fn get(mut client: impl Read + Write, path: &str, host: &str) -> Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes())?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The host that the certificate of the other side is for first.
pub(crate) fn shown(client: &Client) -> Vec<u8> {
    let certificates = client.conn.peer_certificates().unwrap_or_default();
    certificates.first().map(|der| der.to_vec()).unwrap_or_default()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// DER as PEM.
fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS.get((number >> (18 - 6 * at)) as usize & 63);
            let letter = letter.filter(|_| at <= chunk.len()).copied().unwrap_or(b'=');
            text.push(letter.into());
        }
    }
    let letters: Vec<char> = text.chars().collect();
    let lines: Vec<String> = letters.chunks(64).map(|line| line.iter().collect()).collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
