//! Every entry is somewhere, and known to be there.

use std::fs;

use seawall_core::note::Outcome;
use seawall_core::request::RequestId;

use super::{check_sum, eventually, request, requests, settings, settled, start};
use crate::audit::{Audit, Filter, Kind, QueryError, Settings};

#[tokio::test]
async fn after_a_clean_stop_the_sum_is_exact_and_everything_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let audit = start(&settings(folder.path()));
    for _ in 0..2_000 {
        request(&audit, Outcome::Primary);
    }
    audit.close().await;
    // What comes late is counted, too.
    request(&audit, Outcome::Primary);
    let figures = audit.figures();
    check_sum(&figures);
    assert_eq!((figures.produced, figures.dropped, figures.spilled), (2_001, 1, 0));
    let reader = audit.reader();
    let page = reader.page(&Filter { kinds: vec![Kind::Request], limit: Some(1_000), ..Filter::default() });
    assert_eq!(page.unwrap().entries.len(), 1_000);
    let run = reader.page(&Filter { kinds: vec![Kind::Run], ..Filter::default() }).unwrap().entries;
    let said = super::body(&run[0]);
    assert_eq!(
        (&said["produced"], &said["stored"], &said["dropped"]),
        (&2_000.into(), &2_000.into(), &0.into())
    );
    let names = fs::read_dir(folder.path().join("audit")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.collect();
    assert!(
        names.iter().all(|name| name.to_string_lossy().starts_with("audit.db")),
        "nothing else: {names:?}"
    );
}

/// As a kill leaves it: threads gone, files as they are, locks free.
fn killed(settings: &Settings) -> (Audit, std::path::PathBuf) {
    let audit = start(settings);
    let copy = settings.dir.with_extension("copy");
    request(&audit, Outcome::Primary);
    settled(&audit);
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&settings.dir).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    (audit, copy)
}

#[tokio::test]
async fn after_a_kill_missing_ids_are_counted_and_what_was_spilled_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, copy) = killed(&settings(folder.path()));
    // Two that were given out; one of them had been spilled, and torn is what followed it.
    let (spilled, lost) = (audit.ids().next(), audit.ids().next());
    let run = fs::read_dir(&copy).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let run = run.into_iter().find_map(|name| name.strip_prefix("run-").map(str::to_owned)).unwrap();
    let row = format!(
        "{{\"id\":{},\"at\":4102444800000,\"kind\":\"request\",\"marks\":\"\",\"body\":\"{{}}\"}}\n{{\"id\":",
        spilled.0
    );
    fs::write(copy.join(format!("spill-{run}.ndjson")), row).unwrap();

    let next = start(&Settings { dir: copy.clone(), ..settings(folder.path()) });
    eventually("the dead run is accounted for", || next.figures().lost_at_most > 0);
    let figures = next.figures();
    assert_eq!(figures.recovered, 1);
    assert_eq!(figures.lost_at_most, 256 - 2, "a block was reserved, two of it are on record");
    assert_eq!(requests(&next), 2);
    assert!(next.reader().whole(spilled).is_ok());
    let Err(QueryError::Unknown(why)) = next.reader().whole(lost) else { panic!("it is lost") };
    assert!(why.contains("was killed"), "{why}");
    assert_eq!(next.reader().check().unwrap(), Ok(()));
    next.close().await;

    // Once is enough.
    let again = start(&Settings { dir: copy, ..settings(folder.path()) });
    request(&again, Outcome::Primary);
    settled(&again);
    assert_eq!((again.figures().lost_at_most, requests(&again)), (0, 3));
    again.close().await;
    audit.close().await;
}

#[tokio::test]
async fn ids_are_reserved_ahead_of_requests_however_many_come() {
    let folder = tempfile::tempdir().unwrap();
    let audit = start(&settings(folder.path()));
    let reserved = || {
        let mut files = fs::read_dir(folder.path().join("audit")).unwrap().map(|entry| entry.unwrap().path());
        let run = files.find(|path| path.to_string_lossy().contains("run-")).unwrap();
        let line = fs::read_to_string(run).unwrap();
        line.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    for burst in [1, 200, 1, 30_000, 1] {
        let last = (0..burst).fold(RequestId(0), |_, _| audit.ids().next());
        eventually("what is given out is reserved, and the next, too", || reserved() > last.0 + 1);
    }
    audit.close().await;
}

#[tokio::test]
async fn gateways_that_share_a_folder_share_no_id_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let trails: Vec<Audit> = (0..3).map(|_| start(&settings)).collect();
    for _ in 0..50 {
        for audit in &trails {
            request(audit, Outcome::Primary);
        }
    }
    for audit in &trails {
        audit.close().await;
        check_sum(&audit.figures());
    }
    // What one of them had to put aside, the next to start takes in.
    let next = start(&settings);
    eventually("all are on record", || requests(&next) == 150);
    next.close().await;
}

#[tokio::test]
async fn what_is_too_old_or_too_much_goes_the_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = settings(folder.path());
    small.max_bytes = 1 << 20;
    let audit = start(&small);
    let first = request(&audit, Outcome::Primary);
    eventually("the first is on record", || audit.reader().whole(first).is_ok());
    for _ in 0..80 {
        for _ in 0..100 {
            request(&audit, Outcome::Primary);
        }
        settled(&audit);
    }
    audit.close().await;
    let audit = start(&small);
    eventually("it is small again", || (1..=1 << 20).contains(&audit.figures().database_bytes));
    assert!(audit.reader().whole(first).is_err());
    assert!(requests(&audit) > 200);
    audit.close().await;

    small.max_age = std::time::Duration::from_millis(1);
    let audit = start(&small);
    eventually("nothing is young enough", || requests(&audit) == 0);
    audit.close().await;
}
