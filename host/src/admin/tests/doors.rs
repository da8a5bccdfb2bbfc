//! Who gets in, and by what name.

use http::Method;

use super::super::{Documented, Door, routes as table};
use super::{TOKEN, admin_with, call, desk, read};

/// Every route of the table, by every method, with every wrong token: nothing opens but the two health answers.
#[tokio::test]
async fn nothing_opens_without_the_token() {
    let (routes, _shutdown) = desk();
    let unknown = [("/", Door::Token), ("/admin", Door::Token), ("/admin/nothing", Door::Token)];
    let paths = |(door, (_, documented, _)): (Door, Documented)| {
        documented.paths.into_keys().map(move |path| (path, door))
    };
    let unknown = unknown.map(|(path, door)| (path.to_owned(), door));
    for (path, door) in table().into_iter().flat_map(paths).chain(unknown) {
        let path = path.replace("{id}", "1").replace("{*target}", "left/m");
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS]
        {
            let wrong =
                ["", "Bearer ", "Bearer wrong", "Bearer secret-toke", "Basic secret-token", "secret-token"];
            for token in wrong {
                let response = call(&routes, method.clone(), &path, &[("authorization", token)], "").await;
                assert!(!response.headers().contains_key("access-control-allow-origin"));
                let status = response.status();
                match door {
                    Door::Token | Door::Metrics => assert_eq!(status, 401, "{method} {path} with {token:?}"),
                    Door::Health => assert_ne!(status, 401, "{method} {path}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn the_token_opens_every_route() {
    let (routes, _shutdown) = desk();
    for path in [
        "/admin/openapi.json",
        "/admin/status",
        "/admin/availability",
        "/admin/targets",
        "/admin/targets/left/m",
        "/admin/plugins",
        "/admin/chaos/catalogue",
        "/admin/chaos/faults",
        "/admin/chaos/experiments",
        "/admin/stream",
        "/metrics",
    ] {
        assert_eq!(call(&routes, Method::GET, path, &[TOKEN], "").await.status(), 200, "{path}");
    }
    let missing = call(&routes, Method::GET, "/admin/nothing", &[TOKEN], "").await;
    assert_eq!(missing.status(), 404);
    assert!(read(missing).await.pointer("/error/fix").unwrap().as_str().unwrap().contains("/admin/status"));
}

#[tokio::test]
async fn metrics_are_open_only_where_the_configuration_says_so() {
    let (admin, _shutdown) = admin_with("[metrics]\nopen = true\n");
    let routes = admin.routes();
    assert_eq!(call(&routes, Method::GET, "/metrics", &[], "").await.status(), 200);
    assert_eq!(call(&routes, Method::GET, "/admin/status", &[], "").await.status(), 401);
    let foreign = [("host", "evil.test")];
    assert_eq!(call(&routes, Method::GET, "/metrics", &foreign, "").await.status(), 403);
}

#[tokio::test]
async fn other_hosts_and_origins_are_refused_even_with_the_token() {
    let (routes, _shutdown) = desk();
    let check = async |headers: &[(&str, &str)], expect: u16| {
        let headers: Vec<_> = headers.iter().copied().chain([TOKEN]).collect();
        for path in ["/livez", "/admin/status", "/admin/nothing"] {
            let status = call(&routes, Method::GET, path, &headers, "").await.status().as_u16();
            let expect = if expect == 200 && path.ends_with("nothing") { 404 } else { expect };
            assert_eq!(status, expect, "{path} {headers:?}");
        }
    };
    for ours in ["127.0.0.1:8081", "localhost:8081", "LOCALHOST", "[::1]:8081", "127.9.9.9"] {
        check(&[("host", ours)], 200).await;
    }
    for foreign in
        ["evil.test", "evil.test:8081", "10.0.0.1:8081", "localhost.evil.test", "127.0.0.1.evil.test"]
    {
        check(&[("host", foreign)], 403).await;
    }
    check(&[("host", "localhost:8081"), ("origin", "http://localhost:8081")], 200).await;
    for foreign in ["http://evil.test", "http://localhost:9999", "null", "file://localhost:8081", ""] {
        check(&[("host", "localhost:8081"), ("origin", foreign)], 403).await;
    }
}
