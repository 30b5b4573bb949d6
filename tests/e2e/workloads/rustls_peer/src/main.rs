// SPDX-License-Identifier: Apache-2.0

//! HTTPS on hyper and rustls, HTTP/1.1 and HTTP/2.
//! rustls_peer server PEM: has the paths that all test servers have. The file has the certificate and its
//! key. Prints "listening PORT".
//! rustls_peer client [--http1.1] BASE_URL PLAN: PLAN is a JSON list of {method, path, body, pause_ms}, whose
//! requests are made in order on a connection that is kept. Trusts $SSL_CERT_FILE. Prints a JSON line for each
//! request: what it did and when.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{json, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

type Error = Box<dyn std::error::Error + Send + Sync>;
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let (status, said) = match head.uri.path() {
        "/small" => (200, "x".repeat(612)),
        "/big" => (200, "0123456789abcdef".repeat(10 * 1024 * 1024 / 16)),
        "/fail" => (500, "failed".into()),
        "/empty" => (204, String::new()),
        "/echo" => (200, body.collect().await.map_or(0, |b| b.to_bytes().len()).to_string()),
        path if path.starts_with("/items/") => (200, path.into()),
        _ => (404, "no such path".into()),
    };
    Ok(Response::builder().status(status).body(said.into()).expect("a fixed status"))
}

async fn serve_one(acceptor: TlsAcceptor, socket: TcpStream) -> Result<(), Error> {
    let stream = acceptor.accept(socket).await?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    if http2 {
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http.serve_connection(io, service_fn(answer)).await?;
    } else {
        let http = hyper::server::conn::http1::Builder::new();
        http.serve_connection(io, service_fn(answer)).await?;
    }
    Ok(())
}

async fn serve(path: &str) -> Result<(), Error> {
    let certificates = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, PrivateKeyDer::from_pem_file(path)?)?;
    config.alpn_protocols = PROTOCOLS.map(|p| p.as_bytes().to_vec()).to_vec();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?.port());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Err(error) = serve_one(acceptor, socket).await {
                eprintln!("{error}");
            }
        });
    }
}

enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

async fn connect(address: &str, protocols: &[&str]) -> Result<Sender, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(std::env::var("SSL_CERT_FILE")?)? {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let host = address.split(':').next().unwrap_or_default().to_string();
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(ServerName::try_from(host)?, socket).await?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    if http2 {
        let executor = TokioExecutor::new();
        let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await?;
        tokio::spawn(connection);
        Ok(Sender::Http2(sender))
    } else {
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Sender::Http1(sender))
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

async fn run(base: &str, plan: &str, protocols: &[&str]) -> Result<(), Error> {
    let address = base.strip_prefix("https://").ok_or("an https URL is needed")?;
    let mut sender = connect(address, protocols).await?;
    for step in serde_json::from_str::<Vec<Value>>(plan)? {
        let (method, path) = (step["method"].as_str(), step["path"].as_str());
        let (method, path) = (method.ok_or("no method")?, path.ok_or("no path")?);
        let size = step["body"].as_u64().unwrap_or(0) as usize;
        let mut request = Request::builder().method(method);
        request = match sender {
            Sender::Http1(_) => request.uri(path).header("host", address),
            Sender::Http2(_) => request.uri(format!("{base}{path}")),
        };
        let request = request.body(Full::from("b".repeat(size)))?;
        let kept = match &mut sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        };
        if !kept {
            sender = connect(address, protocols).await?;
        }
        std::thread::sleep(Duration::from_millis(step["pause_ms"].as_u64().unwrap_or(0)));
        let start_ns = now_ns();
        let response = match &mut sender {
            Sender::Http1(sender) => sender.send_request(request).await?,
            Sender::Http2(sender) => sender.send_request(request).await?,
        };
        let status = response.status().as_u16();
        let received = response.into_body().collect().await?.to_bytes().len();
        println!("{}", json!({
            "method": method, "path": path, "status": status, "start_ns": start_ns,
            "end_ns": now_ns(), "request_bytes": size, "response_bytes": received,
            "times_fine": true,
        }));
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match args[..] {
        ["server", pem] => runtime.block_on(serve(pem)),
        ["client", "--http1.1", base, plan] => runtime.block_on(run(base, plan, &PROTOCOLS[1..])),
        ["client", base, plan] => runtime.block_on(run(base, plan, &PROTOCOLS)),
        _ => Err("usage: rustls_peer server PEM | client [--http1.1] BASE_URL PLAN".into()),
    }
}
