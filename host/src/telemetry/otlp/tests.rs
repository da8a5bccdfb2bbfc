mod spans;

use std::collections::BTreeMap;
use std::sync::Mutex;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use seawall_core::request::RequestId;
use seawall_core::trace::Trace;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::super::tests::record;
use super::*;
use crate::config::Environment;
use crate::shutdown::Shutdown;
use crate::tasks::Tasks;

/// What was posted: path, headers, body.
type Post = (String, String, Vec<u8>);

/// A collector on loopback that answers with one status.
struct Collector {
    address: String,
    posts: Arc<Mutex<Vec<Post>>>,
    tasks: Tasks,
}

impl Collector {
    async fn open(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (posts, tasks) = (Arc::<Mutex<Vec<Post>>>::default(), Tasks::new());
        let (kept, hands) = (Arc::clone(&posts), tasks.clone());
        tasks.spawn("collector", async move {
            while let Ok((socket, _)) = listener.accept().await {
                hands.spawn("post", receive(socket, status, Arc::clone(&kept)));
            }
        });
        Self { address, posts, tasks }
    }

    /// The first post to this path.
    async fn posted(&self, path: &str) -> Post {
        let found = async {
            loop {
                if let Some(post) = self.posts.lock().unwrap().iter().find(|post| post.0 == path) {
                    return post.clone();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), found).await.expect("a post")
    }
}

async fn receive(mut socket: TcpStream, status: &'static str, posts: Arc<Mutex<Vec<Post>>>) {
    let mut bytes = Vec::new();
    loop {
        let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let length = length.unwrap_or(0);
            if bytes.len() >= end + length {
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                posts.lock().unwrap().push((path, head, bytes[end..end + length].to_vec()));
                bytes.drain(..end + length);
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                if socket.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
        }
        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

struct Desk;

impl Source for Desk {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::default();
        sheet.put(&names::FAULTS_ARMED, [], 3_u64);
        sheet.put(&names::REQUESTS, [(key::ALIAS, "fast".into()), (key::OUTCOME, "primary".into())], 7_u64);
        sheet
    }
    fn provider(&self, name: &str) -> Option<String> {
        (name == "right").then(|| "vendor".to_owned())
    }
}

fn trace(sampled: bool) -> Trace {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    Trace { sampled, ..Trace::parse(parent, Some("a=1")).unwrap().with_span(9) }
}

fn traced(id: u64, sampled: bool) -> Note {
    let trace = Some(Arc::new(trace(sampled)));
    Note::RequestEnded(Arc::new(Record { trace, ..record(RequestId(id)) }))
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let word = |value: Any| match value {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        Any::DoubleValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = all.iter().filter_map(|pair| Some((pair.key.clone(), word(pair.value.clone()?.value?))));
    pairs.collect()
}

#[tokio::test]
async fn a_collector_gets_spans_of_sampled_requests_and_at_the_end_the_metrics() {
    let collector = Collector::open("200 OK").await;
    let mut settings = OtlpSettings::to(&collector.address);
    settings.spans_every = Duration::from_millis(10);
    settings.headers = vec![("x-key".to_owned(), "canary".to_owned())];
    assert!(!format!("{settings:?}").contains("canary"));
    let otlp = Arc::new(Otlp::new(settings).unwrap());
    assert!(!format!("{otlp:?}").contains("canary"));
    let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
    tasks.spawn("telemetry export", Arc::clone(&otlp).run(Arc::new(Desk), shutdown.watch()));
    otlp.offer(&traced(1, false));
    otlp.offer(&traced(2, true));

    let (_, head, body) = collector.posted("/v1/traces").await;
    assert!(
        head.contains("content-type: application/x-protobuf") && head.contains("x-key: canary"),
        "{head}"
    );
    let message = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let resource = attributes(&message.resource_spans[0].resource.as_ref().unwrap().attributes);
    assert_eq!(resource["service.name"], "seawall");
    let spans: &[Span] = &message.resource_spans[0].scope_spans[0].spans;
    let [server, failed, answered] = spans else { panic!("one request of two attempts: {spans:?}") };
    for span in spans {
        assert_eq!(span.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
        assert_eq!(span.trace_state, "a=1");
    }
    assert_eq!(server.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!((server.name.as_str(), server.kind), ("POST /v1/chat/completions", 2));
    let told = attributes(&server.attributes);
    assert_eq!(told["seawall.request.id"], "req_0000000000000002");
    assert_eq!(
        (told["seawall.outcome"].as_str(), told["http.response.status_code"].as_str()),
        ("fallback", "200")
    );
    for span in [failed, answered] {
        assert_eq!((&span.parent_span_id, span.kind), (&server.span_id, 3));
    }
    assert_eq!(failed.name, "chat m");
    let told = attributes(&failed.attributes);
    assert_eq!(
        (told["error.type"].as_str(), told["http.response.status_code"].as_str()),
        ("overloaded", "529")
    );
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    let told = attributes(&answered.attributes);
    assert_eq!(
        (told["gen_ai.provider.name"].as_str(), told["gen_ai.request.model"].as_str()),
        ("vendor", "m")
    );
    assert_eq!(
        (told["gen_ai.usage.input_tokens"].as_str(), told["gen_ai.usage.output_tokens"].as_str()),
        ("300", "20")
    );
    assert_eq!(told["gen_ai.response.time_to_first_chunk"], "0.2");
    assert_eq!(answered.end_time_unix_nano - answered.start_time_unix_nano, 900_000_000);

    shutdown.advance(Phase::Ended);
    assert!(tasks.drained(Duration::from_secs(20)).await, "it ends with the process");
    let (_, _, body) = collector.posted("/v1/metrics").await;
    let message = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
    let metrics = &message.resource_metrics[0].scope_metrics[0].metrics;
    assert_eq!(
        (metrics[0].name.as_str(), metrics[1].name.as_str()),
        ("seawall.chaos.armed", "seawall.requests")
    );
    let Some(Data::Sum(sum)) = &metrics[1].data else { panic!("{metrics:?}") };
    assert!(sum.is_monotonic);
    assert_eq!(attributes(&sum.data_points[0].attributes)["alias"], "fast");
    collector.tasks.end().await;
}

#[tokio::test]
async fn a_collector_that_refuses_costs_spans_and_nothing_else() {
    let collector = Collector::open("503 Busy").await;
    let mut settings = OtlpSettings::to(&collector.address);
    settings.spans_every = Duration::from_millis(10);
    let otlp = Arc::new(Otlp::new(settings).unwrap());
    let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
    tasks.spawn("telemetry export", Arc::clone(&otlp).run(Arc::new(Desk), shutdown.watch()));
    otlp.offer(&traced(1, true));
    collector.posted("/v1/traces").await;
    shutdown.advance(Phase::Ended);
    assert!(tasks.drained(Duration::from_secs(20)).await);
    assert_eq!(otlp.dropped.get(), 1);
    collector.tasks.end().await;
}

#[test]
fn a_full_queue_loses_spans_and_counts_them() {
    let otlp = Otlp::new(OtlpSettings::to("http://127.0.0.1:9")).unwrap();
    let ended = traced(1, true);
    (0..QUEUE + 5).for_each(|_| otlp.offer(&ended));
    assert_eq!(otlp.dropped.get(), 5);
}

#[test]
fn variables_mean_what_they_mean_elsewhere() {
    let read = |pairs: &[(&str, &str)]| OtlpSettings::from_env(&Environment::fixed(pairs.iter().copied()));
    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
    assert!(read(&[]).unwrap().is_none());
    assert!(read(&[("OTEL_SERVICE_NAME", "x")]).unwrap().is_none(), "no collector is named");
    assert!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]).unwrap().is_none());
    let usual = read(&[ENDPOINT]).unwrap().unwrap();
    assert_eq!(usual.traces.as_deref(), Some("http://c:4318/v1/traces"));
    assert_eq!(usual.metrics.as_deref(), Some("http://c:4318/v1/metrics"));
    assert!(usual.sampler.wants(None, u64::MAX) && !usual.sampler.wants(Some(false), 0));
    let own = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/x")]).unwrap().unwrap();
    assert_eq!((own.traces.as_deref(), own.metrics), (Some("http://t/x"), None));
    let without = read(&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")]).unwrap().unwrap();
    assert!(without.traces.is_some() && without.metrics.is_none());
    let named = read(&[
        ENDPOINT,
        ("OTEL_SERVICE_NAME", "edge"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, zone=a"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ]);
    let named = named.unwrap().unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(named.resource, [pair("zone", "a"), pair("service.name", "edge")]);
    assert_eq!((named.headers, named.metrics_every), (vec![pair("x-key", "1")], Duration::from_millis(500)));
    let seen = (0..1_000_u64).filter(|n| named.sampler.wants(Some(true), n << 54 | n << 44)).count();
    assert!((200..300).contains(&seen), "a quarter, whatever callers say: {seen}");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ] {
        assert!(read(&[ENDPOINT, (name, value)]).unwrap_err().contains(name), "{name}");
    }
}
