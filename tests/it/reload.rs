//! Queries saved under a running server: what is sound takes over at once, what is broken says where and leaves
//! the old one running, what is gone leaves no layer and no alert behind.

use serde_json::{Value, json};

use crate::server::city::{MAP, TRAFFIC, cell, incident, readings};
use crate::server::{City, Screen, Server, eventually};

const SPEED: &str = "traffic.speed";

/// The mean speed that the screen's map shows in the first town.
fn speed(screen: &Screen) -> Option<&Value> {
    screen.values("layer/map", &cell(0)).map(|values| &values[0])
}

async fn layers(server: &Server) -> Vec<String> {
    serde_json::from_value(server.json("/api/layers").await["layers"].clone()).unwrap()
}

#[tokio::test]
async fn a_saved_query_moves_the_layer() {
    let city = City::new();
    let server = Server::start(&city).await;
    server.land(SPEED, readings(0, 0..2, 30.0)).await;
    let mut screen = Screen::open(&server).await;
    screen.follow("layer/map", None).await;
    screen.shows("the rows", |screen| speed(screen) == Some(&json!(30))).await;
    // The map itself is not touched: what it reads moves it.
    city.write("queries/traffic.sql", &TRAFFIC.replace("avg(speed_kmh)", "2 * avg(speed_kmh)"));
    screen.shows("twice as much", |screen| speed(screen) == Some(&json!(60))).await;
    city.write("queries/map.sql", &MAP.replace("t.speed_kmh,", "t.speed_kmh + 1 AS speed_kmh,"));
    screen.shows("and one", |screen| speed(screen) == Some(&json!(61))).await;
    server.stop().await;
}

#[tokio::test]
async fn a_broken_query_says_where_and_the_old_one_goes_on() {
    let city = City::new();
    let mut server = Server::start(&city).await;
    server.claim("queries/map.sql");
    server.claim("queries/traffic.sql");
    server.claim("the old one goes on");
    server.land(SPEED, readings(0, 0..1, 10.0)).await;
    let mut screen = Screen::open(&server).await;
    for channel in ["layer/map", "layer/traffic", "sys"] {
        screen.follow(channel, None).await;
    }
    screen.shows("the rows", |screen| speed(screen) == Some(&json!(10))).await;

    let line = |text: &str, word: &str| {
        let (number, line) = text
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains(word) && !line.starts_with("--"))
            .unwrap();
        format!("{}:{}", number + 1, line.find(word).unwrap() + 1)
    };
    let broken_map = MAP.replace("t.speed_kmh, p.incidents\n", "t.sped_kmh, p.incidents\n");
    let unread_map = MAP.replace("FROM traffic AS t", "FROM trafic AS t");
    let typo = TRAFFIC.replace("GROUP BY 1", "GROUP BYE 1");
    let cases = [
        ("queries/map.sql", MAP, &broken_map, line(&broken_map, "t.sped_kmh")),
        ("queries/map.sql", MAP, &unread_map, line(&unread_map, "trafic")),
        ("queries/traffic.sql", TRAFFIC, &typo, line(&typo, "GROUP BYE")),
    ];
    let mut vehicles = 1;
    for (file, sound, broken, place) in cases {
        city.write(file, broken);
        let at = format!("{file}:{place}");
        screen.shows(&at, |screen| screen.notices() == [at.clone()]).await;
        // Rows that land meanwhile still move both layers.
        server.land(SPEED, readings(0, vehicles..vehicles + 1, 10.0 * f64::from(2 * vehicles + 1))).await;
        vehicles += 1;
        let mean = json!(10 * vehicles);
        screen.shows("the old one going on", |screen| speed(screen) == Some(&mean)).await;
        city.write(file, sound);
        screen.shows("no notice", |screen| screen.notices().is_empty()).await;
        server.land(SPEED, readings(0, vehicles..vehicles + 1, 10.0 * f64::from(2 * vehicles + 1))).await;
        vehicles += 1;
        let mean = json!(10 * vehicles);
        screen.shows("the mended one", |screen| speed(screen) == Some(&mean)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_new_file_is_a_new_layer_and_a_removed_one_is_none() {
    let city = City::new();
    let server = Server::start(&city).await;
    server.land(SPEED, readings(0, 0..2, 30.0)).await;
    let fast = TRAFFIC
        .replace("layer: traffic", "layer: fast")
        .replace("GROUP BY 1", "WHERE speed_kmh > 20\nGROUP BY 1");
    city.write("queries/layer/fast.sql", &fast);
    eventually("a new layer", async || layers(&server).await.contains(&"fast".to_owned()).then_some(()))
        .await;
    let mut screen = Screen::open(&server).await;
    for channel in ["layer/fast", "sys"] {
        assert_eq!(screen.follow(channel, None).await["t"], "subscribed");
    }
    screen.shows("its rows", |screen| screen.values("layer/fast", &cell(0)) == Some(&[json!(30)])).await;

    city.remove("queries/layer/fast.sql");
    screen.shows("its cells gone", |screen| screen.layers["layer/fast"].is_empty()).await;
    screen
        .shows("its name gone", |screen| !screen.states["sys"]["layers"].to_string().contains("fast"))
        .await;
    assert!(!layers(&server).await.contains(&"fast".to_owned()));
    assert_eq!(server.get("/api/layers/fast").await.status(), 404);
    let refused = screen.follow("layer/fast", None).await;
    assert_eq!((&refused["t"], &refused["code"]), (&json!("err"), &json!(4004)));

    city.write("queries/layer/fast.sql", &fast);
    screen.shows("its cells again", |screen| screen.values("layer/fast", &cell(0)).is_some()).await;
    server.stop().await;
}

#[tokio::test]
async fn alerts_end_with_their_query() {
    let city = City::new();
    let server = Server::start(&city).await;
    let mut screen = Screen::following(&server, &["alerts", "orders"]).await;
    server.land("police.incidents", incident(1, 0, "theft", 5)).await;
    screen.shows("the order", |screen| screen.told("orders").len() == 1).await;
    let file = "queries/alert/alert_grave.sql";
    let query = std::fs::read_to_string(city.root().join(file)).unwrap();
    city.remove(file);
    screen
        .shows("the alert cleared", |screen| {
            screen.told("alerts").last().is_some_and(|(kind, _)| *kind == "cleared")
        })
        .await;
    screen
        .shows("its order withdrawn", |screen| {
            screen.told("orders").last().is_some_and(|(kind, _)| *kind == "cancelled")
        })
        .await;
    city.write(file, &query);
    screen
        .shows("another alert", |screen| screen.told("alerts").len() == 3 && screen.told("orders").len() == 3)
        .await;
    assert_eq!(screen.told("alerts")[2].1["id"], "al-2");
    server.stop().await;

    // A query that goes away while nobody serves leaves nothing behind either.
    city.remove(file);
    let server = Server::start(&city).await;
    eventually("no alert", async || (server.json("/api/alerts").await["alerts"] == json!([])).then_some(()))
        .await;
    // One that is broken says nothing of what holds: its alerts stay.
    city.write(file, &query);
    eventually("an alert", async || (server.json("/api/alerts").await["alerts"] != json!([])).then_some(()))
        .await;
    server.stop().await;
    city.write(file, &query.replace("WHERE gravity >= 4", "WHERE gravety >= 4"));
    let mut server = Server::start(&city).await;
    server.claim(file);
    assert_eq!(server.json("/api/alerts").await["alerts"].as_array().unwrap().len(), 1);
    server.stop().await;
}
