//! What readers of one log see of each other.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;
use crate::error::Reason;

const PATIENCE: Duration = Duration::from_secs(10);
const DRAIN: Wish = Wish { deadline: None, drain: true };

fn raw(bytes: usize) -> Event {
    Event::Raw(Bytes::from(vec![0; bytes]).into())
}

/// An event that says which one it is.
fn numbered(number: usize) -> Event {
    Event::Raw(number.to_be_bytes().to_vec().into())
}

/// The most of content that fits into this.
fn content(bytes: usize) -> usize {
    bytes.saturating_sub(size_of::<Event>())
}

/// How many of these are taken before one has to wait.
fn taken(writer: &Writer, bytes: usize) -> usize {
    (0..100).take_while(|_| writer.push(raw(bytes), PATIENCE).now_or_never().is_some()).count()
}

/// What a reader reads until its end: the numbers, and how it ended.
async fn read(reader: &Reader) -> (Vec<usize>, Next) {
    let mut read = Vec::new();
    loop {
        match reader.next().await {
            Next::Event(Event::Raw(bytes)) => {
                read.push(usize::from_be_bytes(bytes.to_vec().try_into().unwrap()))
            }
            end => return (read, end),
        }
    }
}

#[tokio::test]
async fn little_waits_in_number_and_in_bytes() {
    for (bytes, fit) in [(0, EVENTS), (1_000, EVENTS), (content(64 * 1024), 4), (BYTES, 1), (BYTES * 9, 1)] {
        let (writer, _reader) = alone(DRAIN);
        assert_eq!(taken(&writer, bytes), fit, "{bytes}");
    }
}

#[tokio::test]
async fn room_comes_back_with_reading() {
    let (writer, reader) = alone(DRAIN);
    assert_eq!(taken(&writer, BYTES), 1);
    assert!(matches!(reader.next().await, Next::Event(_)));
    assert_eq!(taken(&writer, BYTES), 1);
    assert_eq!(writer.kept(), None);
}

#[tokio::test]
async fn a_writer_that_waits_hears_that_nobody_reads() {
    for bytes in [1, BYTES] {
        let (writer, reader) = alone(DRAIN);
        taken(&writer, bytes);
        tokio::join!(writer.push(raw(bytes), PATIENCE), async { drop(reader) });
        writer.deserted().await;
        assert!(writer.close());
    }
}

#[tokio::test]
async fn nothing_waits_while_all_of_it_is_kept() {
    let (log, writer, reader) = shared(BYTES * 4, DRAIN);
    assert_eq!(taken(&writer, 1_000), 100);
    let late = log.join(DRAIN).unwrap();
    writer.end(Ok(()));
    for reader in [reader, late] {
        for _ in 0..100 {
            assert!(matches!(reader.next().await, Next::Event(_)));
        }
        assert!(matches!(reader.next().await, Next::End(Ok(()))));
    }
    assert_eq!(writer.kept().unwrap().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn beyond_what_is_kept_nobody_joins_and_those_who_have_go_on() {
    let keep = 50 * (8 + size_of::<Event>());
    let (log, writer, first) = shared(keep, DRAIN);
    let second = log.join(DRAIN).unwrap();
    let write = async {
        for number in 0..200 {
            writer.push(numbered(number), PATIENCE).await;
            if number == 49 {
                assert!(log.join(DRAIN).is_ok());
                assert!(writer.kept().is_some());
            }
        }
        writer.end(Ok(()));
    };
    let ((), first, second) = tokio::join!(write, read(&first), read(&second));
    for (read, end) in [first, second] {
        assert_eq!(read, (0..200).collect::<Vec<_>>());
        assert!(matches!(end, Next::End(Ok(()))));
    }
    assert_eq!(log.join(DRAIN).err(), Some(Missed::TooLong));
    assert_eq!(writer.kept(), None);
    assert!(log.state().events.is_empty(), "what everybody has read is still there");
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_is_left_behind_alone() {
    let (log, writer, slow) = shared(BYTES, DRAIN);
    let quick = log.join(DRAIN).unwrap();
    let began = Instant::now();
    let write = async {
        for number in 0..10_000 {
            writer.push(numbered(number), PATIENCE).await;
        }
        writer.end(Ok(()));
    };
    let ((), (all, end)) = tokio::join!(write, read(&quick));
    assert_eq!((all.len(), began.elapsed()), (10_000, PATIENCE));
    assert!(matches!(end, Next::End(Ok(()))));
    // What it could have had is still there for it.
    let (rest, end) = read(&slow).await;
    assert!(
        (EVENTS..10_000).contains(&rest.len()) && rest.iter().copied().eq(0..rest.len()),
        "{}",
        rest.len()
    );
    assert!(matches!(end, Next::TooSlow));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_its_own_reader_and_the_last_one_the_flight() {
    let at = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
    let (log, writer, short) = shared(BYTES, Wish { deadline: at(1), drain: false });
    let long = log.join(Wish { deadline: at(5), drain: false }).unwrap();
    let began = Instant::now();
    let (short, long, ()) = tokio::join!(
        async { (matches!(short.next().await, Next::Late), began.elapsed().as_secs()) },
        async { (matches!(long.next().await, Next::Late), began.elapsed().as_secs()) },
        writer.deserted(),
    );
    assert_eq!((short, long, began.elapsed().as_secs()), ((true, 1), (true, 5), 5));
    assert!(!writer.drains());
    assert!(writer.close());
    assert_eq!(log.join(DRAIN).err(), Some(Missed::Closed));
}

#[tokio::test]
async fn what_has_been_left_may_be_visited_again() {
    let (log, writer, reader) = shared(BYTES, DRAIN);
    writer.push(numbered(0), PATIENCE).await;
    drop(reader);
    writer.deserted().await;
    let late = log.join(Wish { deadline: None, drain: false }).unwrap();
    writer.visited().await;
    assert!(!writer.close() && writer.drains());
    writer.end(Ok(()));
    assert!(matches!(read(&late).await, (read, Next::End(Ok(()))) if read == [0]));
}

#[tokio::test]
async fn every_end_is_told_to_everybody() {
    let failed = Error::new(Reason::UpstreamStalled, "stalled");
    for opened in [false, true] {
        let ends: [fn(Writer, Error); 3] = [
            |writer, _| writer.end(Ok(())),
            |writer, failed| writer.end(Err(failed)),
            |writer, _| drop(writer),
        ];
        for (at, end) in ends.into_iter().enumerate() {
            let (log, writer, first) = shared(BYTES, DRAIN);
            let readers = [first, log.join(DRAIN).unwrap()];
            if opened {
                writer.open();
            }
            let told = join_all(readers.iter().map(|reader| async {
                if let Err(missing) = reader.opened().await { missing } else { reader.next().await }
            }));
            let (told, ()) = tokio::join!(told, async { end(writer, failed.clone()) });
            for told in told {
                let as_told = match at {
                    0 => matches!(told, Next::End(Ok(()))),
                    1 => matches!(told, Next::End(Err(error)) if error.reason == Reason::UpstreamStalled),
                    _ => matches!(told, Next::Gone),
                };
                assert!(as_told, "{opened} {at}");
            }
        }
    }
}

/// Readers come, read, pause and go in any order; whoever stays reads all of it.
#[tokio::test(start_paused = true)]
async fn whoever_stays_reads_everything_in_order() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let keep = random.usize(0..200) * (8 + size_of::<Event>()) + 1;
        let events = random.usize(0..300);
        let (log, writer, first) = shared(keep, DRAIN);
        let mut come = vec![(first, random.fork())];
        let mut reading = Vec::new();
        for number in 0..events {
            if random.usize(0..20) == 0
                && let Ok(reader) = log.join(DRAIN)
            {
                come.push((reader, random.fork()));
            }
            for (reader, mut random) in come.drain(..) {
                reading.push(tokio::spawn(async move {
                    let leaves = random.bool().then(|| random.usize(0..300));
                    let mut read = Vec::new();
                    loop {
                        if random.usize(0..10) == 0 {
                            tokio::time::sleep(Duration::from_millis(random.u64(0..100))).await;
                        }
                        match reader.next().await {
                            _ if leaves.is_some_and(|leaves| read.len() >= leaves) => return None,
                            Next::Event(Event::Raw(bytes)) => {
                                read.push(usize::from_be_bytes(bytes.to_vec().try_into().unwrap()));
                            }
                            end => return Some((read, matches!(end, Next::End(Ok(()))))),
                        }
                    }
                }));
            }
            writer.push(numbered(number), PATIENCE).await;
        }
        writer.end(Ok(()));
        drop(come);
        for reader in join_all(reading).await {
            if let Some((read, ended)) = reader.unwrap() {
                assert!(ended && read == (0..events).collect::<Vec<_>>(), "{seed}");
            }
        }
    }
}
