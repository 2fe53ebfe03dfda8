//! The closed loop of a running server: a row raises an alert, the alert becomes an order, a unit takes it and
//! reports it done; and no way of dying loses a step of it.

use reqwest::StatusCode;
use serde_json::json;

use crate::server::city::{DUTY, TOWNS, incident};
use crate::server::{City, Screen, Server};

const INCIDENTS: &str = "police.incidents";
const LOGS: [&str; 2] = ["alerts", "orders"];

/// Lands a grave incident and waits for the order that comes of it; gives its id.
async fn ordered(server: &Server, screen: &mut Screen, number: u32, town: usize) -> String {
    let before = screen.told("orders").len();
    server.land(INCIDENTS, incident(number, town, "theft", 5)).await;
    screen.shows("the order", |screen| screen.told("orders").len() > before).await;
    screen.told("orders")[before].1["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_alert_goes_to_the_unit_nearest_to_it_and_clears_with_its_condition() {
    let city = City::new();
    let server = Server::start(&city).await;
    let mut screen = Screen::following(&server, &LOGS).await;
    // In the west the county's own police answer, in the east the city's.
    for (town, number, unit, name) in
        [(0, 1, "police-990101", "West Police"), (2, 2, "police", "City Police")]
    {
        let (area, lng, lat) = TOWNS[town];
        let id = ordered(&server, &mut screen, number, town).await;
        let (kind, order) = *screen.told("orders").last().unwrap();
        assert_eq!(
            (kind, &order["state"], &order["unit"]),
            ("dispatched", &json!("dispatched"), &json!(unit))
        );
        assert_eq!(
            [&order["unit_name"]["en"], &order["area"], &order["id"]],
            [&json!(name), &json!(area), &json!(id)]
        );
        let close = |value: &serde_json::Value, to: f64| (value.as_f64().unwrap() - to).abs() < 0.01;
        assert!(close(&order["lng"], lng) && close(&order["lat"], lat), "{order}");
        let (kind, alert) = *screen.told("alerts").last().unwrap();
        assert_eq!(
            (kind, &alert["state"], &alert["severity"]),
            ("raised", &json!("open"), &json!("Extreme"))
        );
        assert_eq!([&alert["order"], &alert["id"]], [&order["id"], &order["alert"]]);
        assert_eq!(
            (&alert["query"], &alert["detail"]),
            (&json!("alert_grave"), &json!({"event_id": f64::from(number)}))
        );
    }
    assert_eq!(server.json("/api/alerts").await["alerts"].as_array().unwrap().len(), 2);

    // The order of the first is taken, that of the second is not: the one stays, the other is withdrawn.
    let (status, _) = server.step("or-1", "accept", json!({"by": "Li"})).await;
    assert_eq!(status, StatusCode::OK);
    let slight = incident(3, 0, "theft", 1) + incident(4, 2, "theft", 1).lines().nth(1).unwrap() + "\n";
    server.land(INCIDENTS, slight).await;
    screen
        .shows("both cleared", |screen| {
            screen.told("alerts").iter().filter(|(kind, _)| *kind == "cleared").count() == 2
        })
        .await;
    screen
        .shows("one withdrawn", |screen| screen.told("orders").iter().any(|(kind, _)| *kind == "cancelled"))
        .await;
    let kinds: Vec<(&str, &str)> =
        screen.told("orders").iter().map(|(kind, order)| (*kind, order["id"].as_str().unwrap())).collect();
    assert_eq!(
        kinds,
        [("dispatched", "or-1"), ("dispatched", "or-2"), ("accepted", "or-1"), ("cancelled", "or-2")]
    );
    assert_eq!(server.json("/api/alerts").await["alerts"], json!([]));
    let (status, _) = server.step("or-1", "close", json!({"by": "Li", "note": "done"})).await;
    assert_eq!(status, StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn an_order_is_taken_by_one_and_closed_after_that() {
    let city = City::new();
    let server = Server::start(&city).await;
    let mut screen = Screen::following(&server, &LOGS).await;
    let id = ordered(&server, &mut screen, 1, 0).await;

    let (status, problem) = server.step(&id, "close", json!({"by": "Li"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("NOT_ACCEPTED")));
    let (status, order) = server.step(&id, "accept", json!({"by": "Li", "note": "on our way"})).await;
    assert_eq!((status, &order["state"], &order["by"]), (StatusCode::OK, &json!("accepted"), &json!("Li")));
    let (status, again) = server.step(&id, "accept", json!({"by": "Li"})).await;
    assert_eq!((status, &again["accepted_us"]), (StatusCode::OK, &order["accepted_us"]));
    let (status, problem) = server.step(&id, "accept", json!({"by": "Wang"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("ALREADY_ACCEPTED")));
    assert!(problem["detail"].as_str().unwrap().starts_with("Li accepted it"), "{problem}");
    let (status, closed) = server.step(&id, "close", json!({"by": "Li", "note": "door locked"})).await;
    assert_eq!(
        (status, &closed["state"], &closed["note"]),
        (StatusCode::OK, &json!("closed"), &json!("door locked"))
    );
    let (status, problem) = server.step("or-99", "accept", json!({"by": "Li"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_ORDER")));
    for malformed in [json!({"who": "Li"}), json!({"by": " "}), json!({"by": "x".repeat(501)}), json!([])] {
        let (status, problem) = server.step(&id, "accept", malformed).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }

    // A repeated step is no event: the screen is told each thing once.
    screen.shows("the end", |screen| screen.told("orders").len() == 3).await;
    let states: Vec<&str> = screen.told("orders").iter().map(|(kind, _)| *kind).collect();
    assert_eq!(states, ["dispatched", "accepted", "closed"]);
    assert_eq!(server.json("/api/orders").await["orders"][0]["state"], "closed");
    server.stop().await;
}

#[tokio::test]
async fn a_new_duty_list_answers_for_what_comes_after_it() {
    let city = City::new();
    // Nobody answers for incidents at first; the alert lies open until somebody does.
    city.write(
        "duty_list.csv",
        &DUTY.lines().next().map(|head| format!("{head}\nflood,9901,water,Water,水务,60,600\n")).unwrap(),
    );
    let server = Server::start(&city).await;
    let mut screen = Screen::following(&server, &LOGS).await;
    server.land(INCIDENTS, incident(1, 0, "theft", 5)).await;
    screen.shows("an alert without an order", |screen| screen.told("alerts").len() == 1).await;
    assert_eq!(screen.told("alerts")[0].1["order"], json!(null));
    server.land("command.duty_list", DUTY).await;
    screen.shows("the order", |screen| !screen.told("orders").is_empty()).await;
    assert_eq!(screen.told("orders")[0].1["unit"], "police-990101");
    screen
        .shows("the alert names it", |screen| screen.told("alerts").last().unwrap().1["order"] == "or-1")
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_killed_loses_nothing() {
    let kinds = ["theft", "assault", "fire", "accident"];
    let rows: Vec<String> =
        (0..16).map(|n| incident(n + 1, n as usize % 4, kinds[n as usize / 4], 5)).collect();
    let city = City::new();
    let server = Server::start(&city).await;
    let mut screen = Screen::following(&server, &LOGS).await;
    server.land(INCIDENTS, rows[0].clone()).await;
    screen.shows("the first order", |screen| !screen.told("orders").is_empty()).await;
    let (status, _) = server.step("or-1", "accept", json!({"by": "Li"})).await;
    assert_eq!(status, StatusCode::OK);

    // Bodies keep coming while it dies; which of them arrive is chance, and must not matter.
    let (address, coming) = (server.url("/api/feeds/police/incidents/submissions"), rows.clone());
    let sender = tokio::spawn(async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for body in coming.into_iter().skip(1) {
            if client.post(&address).header("content-type", "text/csv").body(body).send().await.is_err() {
                return;
            }
        }
    });
    let some = |screen: &Screen| screen.told("orders").len() >= 5 && screen.events.len() >= 10;
    screen.shows("some of the orders", some).await;
    server.kill();
    sender.await.unwrap();
    screen.until_end().await;
    let (held, seen) = (screen.held.clone(), screen.events.clone());
    assert!(seen.len() >= 10);

    let server = Server::start(&city).await;
    for body in rows {
        let (status, answer) = server.submit(INCIDENTS, "text/csv", body).await;
        assert!(status == StatusCode::CREATED || status == StatusCode::OK, "{answer}");
    }
    let mut screen = Screen::open(&server).await;
    for log in LOGS {
        let answer = screen.follow(log, Some(&held[log])).await;
        assert_eq!((&answer["mode"], &answer["e"]), (&json!("resumed"), &json!(held[log].epoch)), "{log}");
    }
    screen.events.splice(0..0, seen);
    screen
        .shows("every order", |screen| {
            screen.told("orders").iter().filter(|(kind, _)| *kind == "dispatched").count() == 16
        })
        .await;
    let raised = screen
        .told("alerts")
        .iter()
        .filter(|(kind, _)| *kind == "raised")
        .map(|(_, a)| a["id"].as_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(raised, (1..=16).map(|n| format!("al-{n}")).collect::<Vec<_>>());
    let accepted = screen.told("orders").iter().filter(|(kind, _)| *kind == "accepted").count();
    assert_eq!((accepted, server.rows(INCIDENTS).await), (1, 16));
    let orders = server.json("/api/orders").await["orders"].clone();
    let first = orders.as_array().unwrap().iter().find(|order| order["id"] == "or-1").unwrap();
    assert_eq!([&first["state"], &first["by"]], [&json!("accepted"), &json!("Li")]);
    server.stop().await;
}
