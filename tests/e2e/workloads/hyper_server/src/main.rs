// SPDX-License-Identifier: Apache-2.0

//! An HTTPS server on hyper and rustls with the paths that all test servers have, HTTP/1.1 and HTTP/2:
//! hyper_server PEM. The file has the certificate and its key. Prints "listening PORT".

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::HttpBody;
use hyper::service::service_fn;
use hyper::{Body, Request, Response};
use tokio_rustls::rustls::{Certificate, PrivateKey, ServerConfig};
use tokio_rustls::TlsAcceptor;

type Error = Box<dyn std::error::Error>;

async fn received(mut body: Body) -> usize {
    let mut count = 0;
    while let Some(Ok(piece)) = body.data().await {
        count += piece.len();
    }
    count
}

async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let (status, said) = match head.uri.path() {
        "/small" => (200, "x".repeat(612)),
        "/big" => (200, "0123456789abcdef".repeat(10 * 1024 * 1024 / 16)),
        "/fail" => (500, "failed".into()),
        "/empty" => (204, String::new()),
        "/echo" => (200, received(body).await.to_string()),
        path if path.starts_with("/items/") => (200, path.into()),
        _ => (404, "no such path".into()),
    };
    Ok(Response::builder().status(status).body(said.into()).expect("a fixed status"))
}

fn acceptor(path: &str) -> Result<TlsAcceptor, Error> {
    let pem = std::fs::read(path)?;
    let certificates = rustls_pemfile::certs(&mut &pem[..])?.into_iter().map(Certificate).collect();
    let key = rustls_pemfile::pkcs8_private_keys(&mut &pem[..])?.pop().ok_or("no key")?;
    let mut config = ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_single_cert(certificates, PrivateKey(key))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(path: &str) -> Result<(), Error> {
    let acceptor = acceptor(path)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?.port());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let stream = match acceptor.accept(socket).await {
                Ok(stream) => stream,
                Err(error) => return eprintln!("{error}"),
            };
            let mut http = hyper::server::conn::Http::new();
            http.http2_only(stream.get_ref().1.alpn_protocol() == Some(b"h2"));
            if let Err(error) = http.serve_connection(stream, service_fn(answer)).await {
                eprintln!("{error}");
            }
        });
    }
}

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1).ok_or("usage: hyper_server PEM")?;
    tokio::runtime::Runtime::new()?.block_on(serve(&path))
}
