// SPDX-License-Identifier: Apache-2.0

//! hyper, server and client, on tokio's scheduler of many threads. Calls at once are futures of the same
//! task; what comes after the answer, and what nobody asked for, are tasks of their own.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::join_all;
use hyper::body::HttpBody;
use hyper::client::HttpConnector;
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Client, Request, Response, Server};
use tokio::time::sleep;

type Pool = Client<HttpConnector>;

fn port(variable: &str) -> u16 {
    std::env::var(variable).expect(variable).parse().expect("a port")
}

async fn call(pool: Pool, path: String) -> u16 {
    let uri = format!("http://127.0.0.1:{}{}", port("BACKEND"), path);
    let mut response = pool.get(uri.parse().expect("a URI")).await.expect("an answer");
    while let Some(Ok(_)) = response.body_mut().data().await {}
    response.status().as_u16()
}

async fn work(pool: Pool, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let parts: Vec<&str> = request.uri().path().split('/').collect();
    let (ident, count) = (parts[2], parts[3].parse::<usize>().expect("a number"));
    let wait = parts[5].parse().expect("milliseconds");
    if wait > 0 {
        sleep(Duration::from_millis(wait)).await;
    }
    let calls = (0..count).map(|k| call(pool.clone(), format!("/leaf/{ident}/{k}")));
    let mut statuses = Vec::new();
    if parts[4] == "once" {
        statuses = join_all(calls).await;
    } else {
        for call in calls {
            statuses.push(call.await);
        }
    }
    if parts[6] == "1" {
        let after = format!("/after/{ident}");
        tokio::spawn(async move {
            sleep(Duration::from_millis(3)).await;
            call(pool, after).await;
        });
    }
    let status = if statuses.iter().any(|status| *status >= 500) { 502 } else { 200 };
    Ok(Response::builder().status(status).body(Body::empty()).expect("a fixed status"))
}

async fn background(pool: Pool) {
    for k in 0.. {
        sleep(Duration::from_millis(10)).await;
        call(pool.clone(), format!("/background/{k}")).await;
    }
}

async fn serve() -> Result<(), hyper::Error> {
    let pool = Client::new();
    tokio::spawn(background(pool.clone()));
    let service = make_service_fn(move |_| {
        let pool = pool.clone();
        async move { Ok::<_, Infallible>(service_fn(move |request| work(pool.clone(), request))) }
    });
    Server::bind(&([127, 0, 0, 1], port("PORT")).into()).tcp_nodelay(true).serve(service).await
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(serve()).expect("a server");
}
