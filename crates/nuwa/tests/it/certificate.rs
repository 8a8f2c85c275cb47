//! A server on this machine that nobody vouches for.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::support::Place;

const CERTIFICATE: &[u8] = include_bytes!("../../../../fixtures/web/certificate.der");
const KEY: &[u8] = include_bytes!("../../../../fixtures/web/key.der");

/// Serves one text, whatever is asked for, to whoever trusts the certificate.
fn serve() -> String {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            let (mut stream, mut start) = (stream.unwrap(), [0; 1024]);
            let mut stream = Stream::new(&mut connection, &mut stream);
            if stream.read(&mut start).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
            }
        }
    });
    address
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let place = Place::new();
    let address = serve();
    let said =
        place.failure(&format!("collect --crawl {address}/ --set collect.crawl.delay=0 --out documents"));
    assert!(said.contains("certificate"), "{said}");
    let mut command = place.command("collect hf:some/texts --out documents");
    let answer = command.env("HF_ENDPOINT", &address).output().unwrap();
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(!answer.status.success() && said.contains("certificate"), "{said}");
}
