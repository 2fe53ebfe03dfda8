//! A city that asks who comes: what each token opens, what it does not, and what somebody without one is told.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;
use std::time::Duration;

use cityloom::access::{Audience, Grant, Role, SigningKey, issue};
use cityloom::model::{Clock as _, SystemClock};
use cityloom::server::ROUTES;
use futures::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::server::city::{incident, readings};
use crate::server::{City, Server, eventually, read};

const SPEED: &str = "traffic.speed";
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/api/openapi.json"];

/// A city with a key of its own.
fn locked() -> City {
    let city = City::new();
    keygen(&city, "keys");
    lock(&city, "keys");
    city
}

fn keygen(city: &City, folder: &str) {
    let made = city.cityloom(&["token", "keygen", &city.aside(folder).display().to_string()]);
    assert!(made.status.success(), "{made:?}");
}

fn lock(city: &City, folder: &str) {
    let settings = fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    let keys = city.aside(folder).join("keys.json");
    city.write("cityloom.toml", &format!("{settings}[access]\nkeys = \"{}\"\n", keys.display()));
}

/// What `cityloom token issue` prints.
fn token(city: &City, name: &str, rest: &[&str]) -> String {
    let output = issued(city, name, rest);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn issued(city: &City, name: &str, rest: &[&str]) -> Output {
    let key = city.aside("keys/signing-key.json").display().to_string();
    city.cityloom(&[&["token", "issue", "--key", &key, "--name", name], rest].concat())
}

/// A token that ends soon, which the command does not issue.
fn short(city: &City, life: Duration) -> String {
    let jwk = fs::read_to_string(city.aside("keys/signing-key.json")).unwrap();
    let now = SystemClock.now();
    let grant = Grant {
        id: None,
        issued: None,
        subject: "soon".into(),
        name: "Soon".into(),
        roles: [Role::Viewer].into(),
        department: None,
        units: BTreeSet::new(),
        area: None,
        until: now.plus_seconds(i64::try_from(life.as_secs()).unwrap()),
    };
    issue(&grant, &SigningKey::from_jwk(&jwk).unwrap(), &Audience::default(), now)
}

/// The audit log, a line an entry.
fn audit(city: &City) -> String {
    fs::read_to_string(city.data().join("audit/journal-00000000000000000001.ndjson")).unwrap()
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_locked_city_tells_a_stranger_nothing() {
    let city = locked();
    let server = Server::start(&city).await;
    for (method, path) in ROUTES {
        if path == "/api/stream" {
            continue;
        }
        let path =
            path.replace("{department}", "traffic").replace("{feed}", "speed").replace("{name}", "map");
        let answer = server.request(method, &path.replace("{id}", "or-1")).send().await.unwrap();
        if OPEN.contains(&path.as_str()) {
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            continue;
        }
        assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"cityloom\"", "{method} {path}");
        assert_eq!(code(&read(answer).await), (401, "TOKEN_MISSING"), "{method} {path}");
    }
    let basic =
        server.request("GET", "/api/alerts").header("authorization", "Basic eDp5").send().await.unwrap();
    assert_eq!(code(&read(basic).await), (401, "TOKEN_MISSING"));
    server.stop().await;
}

#[tokio::test]
async fn an_officer_lands_what_is_the_departments() {
    let city = locked();
    let mut server = Server::start(&city).await;
    server.bears(token(&city, "Li Wei", &["--role", "officer", "--department", "traffic"]));
    let session = server.json("/api/session").await;
    let shown = [&session["open"], &session["name"], &session["roles"], &session["department"]];
    assert_eq!(shown, [&json!(false), &json!("Li Wei"), &json!(["officer"]), &json!("traffic")]);
    assert_eq!(server.submit(SPEED, "text/csv", readings(0, 0..2, 30.0)).await.0, StatusCode::CREATED);
    assert_eq!(server.rows(SPEED).await, 2);
    let other = server.submit("police.incidents", "text/csv", incident(1, 0, "theft", 5)).await;
    assert_eq!(code(&other), (403, "OTHER_DEPARTMENT"));
    server.bears(token(&city, "Wall", &["--role", "viewer"]));
    assert_eq!(code(&server.submit(SPEED, "text/csv", readings(0, 2..4, 30.0)).await), (403, "ROLE_MISSING"));
    assert_eq!(server.rows(SPEED).await, 2);
    server.bears(token(&city, "Root", &["--role", "admin"]));
    server.land("police.incidents", incident(1, 0, "theft", 5)).await;
    server.stop().await;
}

#[tokio::test]
async fn an_order_is_taken_by_its_unit_or_by_the_duty_officer_of_its_area() {
    let city = locked();
    let mut server = Server::start(&city).await;
    let admin = token(&city, "Root", &["--role", "admin"]);
    server.bears(admin.clone());
    // One in the west, whose police has a unit of its own, and one in the east.
    server.land("police.incidents", incident(1, 0, "theft", 5)).await;
    server.land("police.incidents", incident(2, 2, "fire", 5)).await;
    let orders = eventually("two orders", async || {
        let orders = server.json("/api/orders").await["orders"].as_array().unwrap().clone();
        (orders.len() == 2).then_some(orders)
    })
    .await;
    let order_of = |unit: &str| {
        orders.iter().find(|o| o["unit"] == unit).unwrap_or_else(|| panic!("{orders:?}"))["id"]
            .as_str()
            .unwrap()
    };
    let (west, east) = (order_of("police-990101"), order_of("police"));

    server.bears(token(&city, "Zhao", &["--role", "unit", "--unit", "police-990101"]));
    assert_eq!(code(&server.step(east, "accept", json!({})).await), (403, "OTHER_UNIT"));
    assert_eq!(code(&server.step("or-999", "accept", json!({})).await), (404, "UNKNOWN_ORDER"));
    let other = server.step(west, "accept", json!({"by": "Somebody else"})).await;
    assert_eq!(code(&other), (403, "NOT_YOURSELF"));
    let (status, order) = server.step(west, "accept", json!({})).await;
    assert_eq!((status, &order["by"]), (StatusCode::OK, &json!("Zhao")), "{order}");

    server.bears(token(&city, "Qian", &["--role", "duty", "--area", "990102"]));
    assert_eq!(code(&server.step(west, "close", json!({})).await), (403, "OTHER_AREA"));
    assert_eq!(server.step(east, "accept", json!({"note": "on the way"})).await.0, StatusCode::OK);
    server.bears(token(&city, "Li Wei", &["--role", "officer", "--department", "police"]));
    assert_eq!(code(&server.step(east, "close", json!({})).await), (403, "ROLE_MISSING"));
    server.stop().await;
}

#[tokio::test]
async fn wrong_tokens_are_answered_ten_times_and_stand_in_no_log() {
    let city = locked();
    let mut server = Server::start(&city).await;
    let good = token(&city, "Wall", &["--role", "viewer"]);
    server.bears(short(&city, Duration::ZERO));
    assert_eq!(code(&read(server.get("/api/alerts").await).await), (401, "TOKEN_EXPIRED"));
    let forged = format!("{}x{}", &good[..good.len() - 40], &good[good.len() - 39..]);
    server.bears(forged.clone());
    for _ in 1..10 {
        assert_eq!(code(&read(server.get("/api/alerts").await).await), (401, "TOKEN_INVALID"));
    }
    let answer = server.get("/api/alerts").await;
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(code(&read(answer).await), (429, "TOO_MANY_FAILURES"));
    server.bears(good.clone());
    assert_eq!(server.get("/api/alerts").await.status(), StatusCode::OK, "the good one waits for nobody");
    let log = server.log() + &audit(&city);
    assert_eq!(log.matches("no more is said of this address").count(), 2, "once in each log: {log}");
    for token in [&good, &forged] {
        assert!(!log.contains(&token[token.len() - 30..]), "a token stands in the log");
    }
    server.stop().await;
}

/// Says hello and tells how the socket goes on: a welcome, or the code that it was closed with.
async fn greet(server: &Server, header: Option<&str>, token: Option<&str>) -> Result<(), u16> {
    let mut socket = socket(server, header).await.unwrap();
    let mut hello = json!({"t": "hello", "id": 1});
    if let Some(token) = token {
        hello["token"] = json!(token);
    }
    socket.send(Message::text(hello.to_string())).await.unwrap();
    match socket.next().await.unwrap().unwrap() {
        Message::Text(text) if text.contains("\"welcome\"") => Ok(()),
        Message::Close(Some(close)) => Err(close.code.into()),
        other => panic!("{other:?}"),
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn socket(server: &Server, token: Option<&str>) -> Result<Socket, u16> {
    let mut request = format!("ws://{}/api/stream", server.address()).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "loom.v1.json".parse().unwrap());
    if let Some(token) = token {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_screen_shows_its_token_when_it_says_hello_and_leaves_when_it_ends() {
    let city = locked();
    let server = Server::start(&city).await;
    let good = token(&city, "Wall", &["--role", "viewer"]);
    assert_eq!(greet(&server, None, Some(&good)).await, Ok(()));
    assert_eq!(greet(&server, Some(&good), None).await, Ok(()));
    assert_eq!(greet(&server, None, None).await, Err(4031));
    assert_eq!(greet(&server, None, Some("a.b.c")).await, Err(4031));
    assert_eq!(socket(&server, Some("a.b.c")).await.err(), Some(401));

    let mut soon = socket(&server, None).await.unwrap();
    let hello = json!({"t": "hello", "id": 1, "token": short(&city, Duration::from_secs(2))});
    soon.send(Message::text(hello.to_string())).await.unwrap();
    assert!(matches!(soon.next().await, Some(Ok(Message::Text(text))) if text.contains("welcome")));
    let end = async {
        loop {
            if let Message::Close(Some(close)) = soon.next().await.unwrap().unwrap() {
                return u16::from(close.code);
            }
        }
    };
    assert_eq!(tokio::time::timeout(crate::server::PATIENCE, end).await.unwrap(), 4031);
    server.stop().await;
}

#[tokio::test]
async fn other_keys_in_the_file_end_the_tokens_of_the_old_ones() {
    let city = locked();
    let mut server = Server::start(&city).await;
    server.claim("the keys from before stay in force");
    let old = token(&city, "Wall", &["--role", "viewer"]);
    server.bears(old);
    assert_eq!(server.get("/api/alerts").await.status(), StatusCode::OK);
    fs::write(city.aside("keys/keys.json"), "{}").unwrap();
    eventually("the broken file to be told", async || {
        server.log().contains("the keys from before stay in force").then_some(())
    })
    .await;
    assert_eq!(server.get("/api/alerts").await.status(), StatusCode::OK);
    keygen(&city, "new");
    fs::copy(city.aside("new/keys.json"), city.aside("keys/keys.json")).unwrap();
    eventually("the old token to end", async || {
        (server.get("/api/alerts").await.status() == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_door_with_a_certificate_speaks_tls() {
    let city = locked();
    let tls = super::binary::root().join("tests/tls");
    let settings = fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    let (certificate, key) = (tls.join("certificate.pem"), tls.join("key.pem"));
    let with = |key: &std::path::Path| {
        format!("{settings}[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display())
    };
    city.write("cityloom.toml", &with(&certificate));
    let refused = city.cityloom(&["serve", "--listen", "127.0.0.1:0"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && told.contains("the private key"), "{told}");

    city.write("cityloom.toml", &with(&key));
    let mut server = Server::start(&city).await;
    assert!(server.url("/").starts_with("https://"), "{}", server.url("/"));
    server.bears(token(&city, "Wall", &["--role", "viewer"]));
    assert_eq!(server.json("/api/session").await["name"], "Wall");
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(plain.get(format!("http://{}/healthz", server.address())).send().await.is_err());
    assert!(plain.get(server.url("/healthz")).send().await.is_err(), "nobody vouches for the certificate");
    server.stop().await;
}

#[test]
fn a_city_that_asks_nobody_is_not_served_to_others() {
    let city = City::new();
    let refused = city.cityloom(&["serve", "--listen", "0.0.0.0:0"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    for word in ["cityloom token keygen", "[access]", "127.0.0.1"] {
        assert!(told.contains(word), "{told}");
    }
    lock(&city, "nowhere");
    let refused = city.cityloom(&["serve", "--listen", "0.0.0.0:0"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && told.contains("CF040"), "{told}");
    let checked = city.cityloom(&["check"]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.code() == Some(1) && told.contains("CF040"), "{told}");
}

#[test]
fn a_token_that_would_grant_nothing_is_not_issued_and_no_key_is_overwritten() {
    let city = locked();
    let wrong: [(&[&str], &str); 5] = [
        (&["--role", "officer"], "--department"),
        (&["--role", "officer", "--department", "trafic"], "there are: command, police, traffic"),
        (&["--role", "unit"], "--unit"),
        (&["--role", "boss"], "there are: viewer, officer, unit, duty, admin"),
        (&["--role", "duty", "--area", "12"], "area code"),
    ];
    for (rest, told) in wrong {
        let output = issued(&city, "Li", rest);
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && err.contains(told), "{rest:?}: {err}");
    }
    let before = fs::read(city.aside("keys/signing-key.json")).unwrap();
    let again = city.cityloom(&["token", "keygen", &city.aside("keys").display().to_string()]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(fs::read(city.aside("keys/signing-key.json")).unwrap(), before);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(city.aside("keys/signing-key.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// Entries of one kind of deed: who, what it was done to, how it ended.
fn entries(city: &City, deed: &str) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = audit(city);
    let bodies =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"]["body"].clone());
    bodies
        .filter(|body| body["deed"] == deed)
        .map(|body| (text(&body["who"]), text(&body["on"]), text(&body["outcome"])))
        .collect()
}

/// `cityloom audit verify`: its exit code, and what it says.
fn verified(city: &City, rest: &[&str]) -> (Option<i32>, String) {
    let output = city.cityloom(&[&["audit", "verify"], rest].concat());
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

#[tokio::test]
async fn what_is_done_at_the_doors_stands_in_the_audit_log() {
    let city = locked();
    let mut server = Server::start(&city).await;
    server.claim("file refused");
    server.bears(token(
        &city,
        "Li Wei",
        &["--subject", "li.wei", "--role", "officer", "--department", "traffic"],
    ));
    let receipt = server.land(SPEED, readings(0, 0..2, 30.0)).await;
    server.submit(SPEED, "text/csv", "ts,lat\n1,2\n").await;
    server.submit("police.incidents", "text/csv", incident(1, 0, "theft", 5)).await;
    let path = |feed: &str| format!("/api/feeds/{feed}/submissions");
    let entry = |who: &str, on: String, how: &str| (who.to_owned(), on, how.to_owned());
    let expected = [
        entry("li.wei", path("traffic/speed"), "201"),
        entry("li.wei", path("traffic/speed"), "422 COLUMN_MISSING"),
        entry("li.wei", path("police/incidents"), "403 OTHER_DEPARTMENT"),
    ];
    assert_eq!(entries(&city, "submit"), expected);
    assert!(audit(&city).contains(receipt["submission"].as_str().unwrap()));

    let bad = city.aside("bad.csv");
    fs::write(&bad, "ts,lat\n1,2\n").unwrap();
    fs::rename(bad, city.data().join("drop/traffic/speed/bad.csv")).unwrap();
    let on = "traffic.speed from the drop folder: bad.csv".to_owned();
    let dropped = entry("cityloom", on, "refused COLUMN_MISSING");
    eventually("the drop folder's entry", async || entries(&city, "submit").contains(&dropped).then_some(()))
        .await;
    city.write("queries/kpi_more.sql", "SELECT 1 AS\n");
    server.claim("kpi_more.sql");
    eventually("the reload's entry", async || {
        let reloads = entries(&city, "reload");
        reloads.iter().any(|(_, on, how)| on == "queries" && !how.ends_with(" 0 problems")).then_some(())
    })
    .await;
    assert_eq!(entries(&city, "start").len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_log_that_was_changed_or_cut_is_told() {
    let city = locked();
    let mut server = Server::start(&city).await;
    server.bears(token(&city, "Li Wei", &["--role", "officer", "--department", "traffic"]));
    server.submit("police.incidents", "text/csv", incident(1, 0, "theft", 5)).await;
    let (code, told) = verified(&city, &[]);
    assert!(code == Some(0) && told.lines().count() == 2, "beside the running city: {told}");
    server.stop().await;
    let (_, told) = verified(&city, &[]);
    let anchor = told.lines().find_map(|line| line.split_once("anchor audit:")).unwrap().1.to_owned();
    let anchor = format!("audit:{anchor}");
    assert_eq!(verified(&city, &["--anchor", &anchor]).0, Some(0));

    let file = city.data().join("audit/journal-00000000000000000001.ndjson");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.replace("403 OTHER_DEPARTMENT", "201 OTHER_DEPARTMENT")).unwrap();
    let (code, told) = verified(&city, &[]);
    assert!(code == Some(1) && told.contains("does not match its hash"), "{told}");
    let kept: Vec<&str> = whole.split_inclusive('\n').take(2).collect();
    fs::write(&file, kept.concat()).unwrap();
    assert_eq!(verified(&city, &[]).0, Some(0), "a chain alone does not know its end");
    let (code, told) = verified(&city, &["--anchor", &anchor]);
    assert!(code == Some(1) && told.contains("shortened"), "{told}");
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_from_then_on_and_its_screen_closes() {
    let city = locked();
    let mut server = Server::start(&city).await;
    let (wall, li, again) = (
        token(&city, "Wall", &["--role", "viewer"]),
        token(&city, "Li Wei", &["--role", "viewer"]),
        token(&city, "Zhao", &["--role", "viewer"]),
    );
    let mut screen = socket(&server, Some(&wall)).await.unwrap();
    screen.send(Message::text(json!({"t": "hello", "id": 1}).to_string())).await.unwrap();
    fs::write(city.aside("wall.token"), &wall).unwrap();
    let revoke = |rest: &[&str]| {
        let done = city.cityloom(&[&["token", "revoke"], rest].concat());
        (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
    };
    assert_eq!(revoke(&["--token", &city.aside("wall.token").display().to_string()]).0, Some(0));
    assert_eq!(revoke(&["--subject", "Li Wei"]).0, Some(0));
    for (ended, name) in [(&wall, "Wall"), (&li, "Li Wei")] {
        server.bears(ended.clone());
        let answer = eventually("the token to end", async || {
            let answer = server.get("/api/alerts").await;
            (answer.status() != StatusCode::OK).then_some(answer)
        })
        .await;
        assert_eq!(code(&read(answer).await), (401, "TOKEN_REVOKED"), "{name}");
    }
    server.bears(again);
    assert_eq!(server.get("/api/alerts").await.status(), StatusCode::OK, "nobody else's");
    let end = async {
        loop {
            if let Message::Close(Some(close)) = screen.next().await.unwrap().unwrap() {
                return u16::from(close.code);
            }
        }
    };
    assert_eq!(tokio::time::timeout(crate::server::PATIENCE, end).await.unwrap(), 4031);
    let told = entries(&city, "reload");
    assert!(told.iter().any(|(_, on, how)| on == "revoked tokens" && how.contains("tokens")), "{told:?}");

    server.claim("revoked.txt");
    let list = city.data().join("access/revoked.txt");
    let whole = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{whole}tokn\tx\n")).unwrap();
    eventually("the broken list to be told", async || {
        server.log().contains("line 3 is neither").then_some(())
    })
    .await;
    server.bears(wall.clone());
    assert_eq!(server.get("/api/alerts").await.status(), StatusCode::UNAUTHORIZED, "what was read stays");
    server.stop().await;
    fs::write(&list, whole).unwrap();
    let mut server = Server::start(&city).await;
    server.bears(wall);
    assert_eq!(server.get("/api/alerts").await.status(), StatusCode::UNAUTHORIZED, "after a restart");
    server.stop().await;
    assert!(revoke(&["--id", "a\tb"]).1.contains("no tabs"));
    assert_eq!(revoke(&[]).0, Some(2));
}
