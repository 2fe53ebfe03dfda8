//! Uploads in parts by tus 1.0: cut lines, damaged parts, a restarted server, quotas, and a client that others wrote.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::binary::tool;
use crate::server::city::readings;
use crate::server::{City, Server, eventually, read};

const UPLOADS: &str = "/api/feeds/traffic/speed/uploads";
const CHUNK: &str = "application/offset+octet-stream";

fn tus(server: &Server, method: &str, path: &str) -> RequestBuilder {
    server.request(method, path).header("tus-resumable", "1.0.0")
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

async fn begin(server: &Server, name: &str, length: usize) -> String {
    let request = tus(server, "POST", UPLOADS)
        .header("upload-length", length.to_string())
        .header("upload-metadata", format!("filename {}", STANDARD.encode(name)));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED, "{answer:?}");
    assert!(header(&answer, "upload-expires").ends_with("GMT"));
    header(&answer, "location")
}

fn part(server: &Server, place: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
    let request = tus(server, "PATCH", place).header("content-type", CHUNK);
    request.header("upload-offset", offset.to_string()).body(bytes.to_vec())
}

async fn offset(server: &Server, place: &str) -> usize {
    let answer = tus(server, "HEAD", place).send().await.unwrap();
    assert_eq!((answer.status(), header(&answer, "cache-control")), (StatusCode::OK, "no-store".into()));
    header(&answer, "upload-offset").parse().unwrap()
}

/// What became of a complete upload.
async fn ended(server: &Server, place: &str) -> Value {
    eventually("the upload's end", async || {
        let told = server.json(place).await;
        ["landed", "refused"].contains(&told["state"].as_str().unwrap()).then_some(told)
    })
    .await
}

#[tokio::test]
async fn an_upload_survives_cuts_damage_and_a_restart_and_lands_once() {
    let city = City::new();
    let server = Server::start(&city).await;
    let file = readings(0, 0..2_000, 30.0).into_bytes();
    let place = begin(&server, "speeds.csv", file.len()).await;

    // A line that is cut in the middle of a part: what came stays.
    let mut line = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nHost: {}\r\nTus-Resumable: 1.0.0\r\nContent-Type: {CHUNK}\r\nUpload-Offset: 0\r\nContent-Length: {}\r\n\r\n",
        server.address(),
        file.len()
    );
    line.write_all(head.as_bytes()).unwrap();
    line.write_all(&file[..1_000]).unwrap();
    eventually("the first bytes", async || (offset(&server, &place).await == 1_000).then_some(())).await;
    let busy = part(&server, &place, 1_000, &file[1_000..]).send().await.unwrap();
    assert_eq!(busy.status(), StatusCode::LOCKED, "one writer at a time");
    drop(line);
    let answer = eventually("the end of the cut line", async || {
        let answer = part(&server, &place, 1_000, &file[1_000..2_000]).send().await.unwrap();
        (answer.status() != StatusCode::LOCKED).then_some(answer)
    })
    .await;
    assert_eq!((answer.status(), header(&answer, "upload-offset")), (StatusCode::NO_CONTENT, "2000".into()));

    // A part at the wrong place, and a damaged one: neither counts.
    let (status, problem) = read(part(&server, &place, 0, &file).send().await.unwrap()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("OFFSET_CONFLICT")));
    let sum = |bytes: &[u8]| format!("sha256 {}", STANDARD.encode(Sha256::digest(bytes)));
    let damaged = part(&server, &place, 2_000, &file[2_000..3_000]).header("upload-checksum", sum(b"other"));
    assert_eq!(damaged.send().await.unwrap().status().as_u16(), 460);
    assert_eq!(offset(&server, &place).await, 2_000);
    let sound = part(&server, &place, 2_000, &file[2_000..3_000]);
    let sound = sound.header("upload-checksum", sum(&file[2_000..3_000])).send().await.unwrap();
    assert_eq!(header(&sound, "upload-offset"), "3000");

    // The plug is pulled; what was answered is there.
    server.kill();
    let server = Server::start(&city).await;
    assert_eq!(offset(&server, &place).await, 3_000);
    let told = server.json(&place).await;
    assert_eq!([&told["state"], &told["file"]], [&json!("receiving"), &json!("speeds.csv")]);
    let last = part(&server, &place, 3_000, &file[3_000..]).send().await.unwrap();
    assert_eq!(header(&last, "upload-offset"), file.len().to_string());
    let id = place.rsplit('/').next().unwrap();
    assert_eq!(
        header(&last, "link"),
        format!("</api/feeds/traffic/speed/submissions/{id}>; rel=\"describedby\"")
    );
    let told = ended(&server, &place).await;
    let receipt = &told["receipt"];
    assert_eq!(
        [&told["state"], &receipt["rows_landed"], &receipt["submission"]],
        [&json!("landed"), &json!(2_000), &json!(id)]
    );
    assert_eq!(server.json(&format!("/api/feeds/traffic/speed/submissions/{id}")).await["state"], "landed");
    assert_eq!(server.rows("traffic.speed").await, 2_000);
    server.stop().await;

    let server = Server::start(&city).await;
    assert_eq!(ended(&server, &place).await["receipt"]["rows_landed"], 2_000, "it is remembered");
    assert_eq!(server.rows("traffic.speed").await, 2_000, "and landed once");
    server.stop().await;
}

#[tokio::test]
async fn what_tus_says_is_said_and_bounds_hold() {
    let city = City::new();
    let settings = fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    let bounded = settings.replace("upload_mib = 1", "upload_mib = 1\nuploads_per_department = 2");
    city.write("cityloom.toml", &bounded);
    let server = Server::start(&city).await;
    let told = server.request("OPTIONS", UPLOADS).send().await.unwrap();
    assert_eq!([header(&told, "tus-version"), header(&told, "tus-max-size")], ["1.0.0", "1048576"]);
    assert!(header(&told, "tus-extension").contains("creation-with-upload"));
    let code = async |request: RequestBuilder| {
        let (status, problem) = read(request.send().await.unwrap()).await;
        (status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    };
    let old = server.request("POST", UPLOADS).header("upload-length", "5");
    assert_eq!(code(old).await, (412, "TUS_VERSION".into()));
    assert_eq!(code(tus(&server, "POST", UPLOADS)).await, (400, "MALFORMED".into()));
    let large = tus(&server, "POST", UPLOADS).header("upload-length", "2000000");
    assert_eq!(code(large).await, (413, "FILE_TOO_LARGE".into()));

    // All at once: begun with its bytes, refused for what they are.
    let whole = tus(&server, "POST", UPLOADS).header("upload-length", "3").header("content-type", CHUNK);
    let whole = whole.header("upload-metadata", format!("filename {}", STANDARD.encode("a.csv"))).body("a,b");
    let answer = whole.send().await.unwrap();
    assert_eq!((answer.status(), header(&answer, "upload-offset")), (StatusCode::CREATED, "3".into()));
    let told = ended(&server, &header(&answer, "location")).await;
    assert_eq!([&told["state"], &told["code"]], [&json!("refused"), &json!("COLUMN_MISSING")]);

    let first = begin(&server, "a.csv", 10).await;
    begin(&server, "b.csv", 10).await;
    let third = tus(&server, "POST", UPLOADS).header("upload-length", "5");
    assert_eq!(code(third).await, (429, "QUOTA_EXCEEDED".into()));
    assert_eq!(code(part(&server, &first, 0, b"more than ten")).await, (413, "FILE_TOO_LARGE".into()));
    let kind = tus(&server, "PATCH", &first).header("upload-offset", "0").body("x");
    assert_eq!(code(kind).await, (415, "MALFORMED".into()));
    let gone = tus(&server, "DELETE", &first).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(tus(&server, "HEAD", &first).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(code(part(&server, &first, 0, b"x")).await, (404, "NOT_FOUND".into()));
    begin(&server, "c.csv", 10).await;
    let other = "/api/feeds/police/incidents/uploads/0190c1d2-0000-7000-8000-000000000000";
    assert_eq!(code(server.request("GET", other)).await, (404, "NOT_FOUND".into()));
    server.stop().await;
}

#[tokio::test]
async fn a_disk_without_room_takes_nothing() {
    let city = City::new();
    let settings = fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    city.write(
        "cityloom.toml",
        &settings.replace("upload_mib = 1", "upload_mib = 1\ndisk_free_mib = 1000000000"),
    );
    let server = Server::start(&city).await;
    let (status, problem) = server.submit("traffic.speed", "text/csv", readings(0, 0..1, 30.0)).await;
    assert_eq!((status.as_u16(), &problem["code"]), (507, &json!("DISK_FULL")));
    let begun = tus(&server, "POST", UPLOADS).header("upload-length", "5").send().await.unwrap();
    assert_eq!(read(begun).await.0.as_u16(), 507);
    server.stop().await;
}

/// A client that knows nothing of this city.
const CLIENT: &str = "\
import sys
from tusclient import client
at, path = sys.argv[1:]
uploader = client.TusClient(at).uploader(path, chunk_size=4096, metadata={'filename': 'speeds.csv'})
uploader.upload_chunk()
again = client.TusClient(at).uploader(path, chunk_size=4096, url=uploader.url)
assert again.offset == 4096, again.offset
again.upload()
print(again.url)
";

#[tokio::test]
async fn a_client_that_others_wrote_goes_on_where_it_stopped() {
    let Some(python) = tool("CITYLOOM_ORACLE_PYTHON") else { return };
    if !Command::new(&python).args(["-c", "import tusclient"]).output().unwrap().status.success() {
        println!("skipped: that Python has no tuspy");
        return;
    }
    let city = City::new();
    let server = Server::start(&city).await;
    let path = city.aside("speeds.csv");
    fs::write(&path, readings(0, 0..1_000, 30.0)).unwrap();
    let mut client = Command::new(&python);
    client.args(["-c", CLIENT, &server.url(UPLOADS)]).arg(&path).env_remove("http_proxy");
    let ran = tokio::task::spawn_blocking(move || client.env("NO_PROXY", "127.0.0.1").output().unwrap());
    let ran = ran.await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut url = String::new();
    ran.stdout.as_slice().read_to_string(&mut url).unwrap();
    let place = url.trim().strip_prefix(&server.url("")).unwrap();
    assert_eq!(ended(&server, place).await["receipt"]["rows_landed"], 1_000);
    server.stop().await;
}
