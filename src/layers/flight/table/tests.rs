//! Who finds whose flight.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::error::Error;

const WISH: Wish = Wish { deadline: None, drain: true };
const KEEP: usize = 1 << 20;

fn key(tenant: &str, id: &str) -> Key {
    Key::new(&TenantId::of_test(tenant), Name::RequestId(id.to_owned()))
}

fn enter(table: &Table, key: Key, print: Print) -> Seat {
    table.enter(key, print, KEEP, WISH, &Report::begin(Instant::now()))
}

fn first(seat: Seat) -> Option<(Writer, Reader, Listing)> {
    match seat {
        Seat::First(writer, reader, listing) => Some((writer, reader, listing)),
        _ => None,
    }
}

#[test]
fn the_first_one_flies_and_the_others_join() {
    let table = Table::default();
    let (writer, _reader, listing) = first(enter(&table, key("a", "1"), [0; 32])).unwrap();
    assert!(matches!(enter(&table, key("a", "1"), [0; 32]), Seat::Joined(..)));
    assert!(matches!(enter(&table, key("a", "1"), [1; 32]), Seat::Other));
    assert!(matches!(enter(&table, key("a", "2"), [1; 32]), Seat::First(..)));
    // What has ended can be read for as long as it is listed.
    writer.end(Ok(()));
    assert!(matches!(enter(&table, key("a", "1"), [0; 32]), Seat::Joined(..)));
    drop(listing);
    assert!(matches!(enter(&table, key("a", "1"), [1; 32]), Seat::First(..)));
    assert!(table.lock().is_empty(), "a flight that nobody flies is listed");
}

#[test]
fn a_flight_that_was_given_up_makes_room_for_another() {
    let table = Table::default();
    let (writer, reader, listing) = first(enter(&table, key("a", "1"), [0; 32])).unwrap();
    drop(reader);
    assert!(writer.close());
    let (_writer, _reader, second) = first(enter(&table, key("a", "1"), [0; 32])).unwrap();
    // The old one's end takes nothing away from the new one.
    drop((writer, listing));
    assert!(matches!(enter(&table, key("a", "1"), [0; 32]), Seat::Joined(..)));
    drop(second);
}

#[tokio::test]
async fn a_flight_that_crashed_makes_room_for_another() {
    let table = Table::default();
    let (writer, _reader, _listing) = first(enter(&table, key("a", "1"), [0; 32])).unwrap();
    drop(writer);
    assert!(matches!(enter(&table, key("a", "1"), [0; 32]), Seat::First(..)));
}

#[tokio::test]
async fn what_is_too_long_is_not_joined() {
    let table = Table::default();
    let (writer, _reader, _listing) = first(enter(&table, key("a", "1"), [0; 32])).unwrap();
    let long = vec![0; KEEP + 1];
    writer.push(bedrock_inference_adapters::contract::Event::Raw(long.into()), Duration::from_secs(1)).await;
    assert!(matches!(enter(&table, key("a", "1"), [0; 32]), Seat::TooLate));
}

/// I3: whatever two tenants ask for under whatever ids, neither finds what is the other's, and each finds its own.
#[test]
fn nothing_of_one_tenant_is_found_by_another() {
    let mut random = fastrand::Rng::with_seed(3);
    let odd = ["", "1", "12", "a", "b", "a1", "request_id", "a\u{0}", "/", "a/1"];
    for case in 0..20_000 {
        let table = Table::default();
        let mut text = || {
            let parts = random.usize(0..4);
            (0..parts).map(|_| *random.choice(&odd).unwrap()).collect::<String>()
        };
        let (one, other, id, other_id) = (text(), text(), text(), text());
        let same_id = random.bool();
        let other_id = if same_id { id.clone() } else { other_id };
        let mut print = Print::default();
        random.fill(&mut print);
        let (writer, _reader, _listing) = first(enter(&table, key(&one, &id), print)).unwrap();
        writer.end(Err(Error::late()));
        let found = enter(&table, key(&other, &other_id), print);
        let is_same = one == other && id == other_id;
        assert_eq!(
            matches!(found, Seat::Joined(..)),
            is_same,
            "{case}: {one:?} {id:?} {other:?} {other_id:?}"
        );
        assert_eq!(matches!(found, Seat::First(..)), !is_same, "{case}");
    }
}
