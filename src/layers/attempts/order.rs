//! Order: which target is tried first, and which behind it.

use std::hash::{DefaultHasher, Hash, Hasher};

use bedrock_inference_proto::v1::{content_block, system_content_block, tool};
use prost::Message;

use crate::call::{Call, Request};
use crate::catalog::Target;

/// The targets' places in the order in which they are tried: those with weights by a draw, then the others as they
/// stand.
///
/// The draw is by rendezvous: calls of one affinity draw alike, so that a session, or everyone with the same prompt
/// prefix, finds its prompt cache warm, and the same second choice when the first is away. It is the same in every
/// replica.
pub(super) fn order(call: &Call) -> Vec<usize> {
    let mut order: Vec<usize> = (0..call.targets.len()).collect();
    if call.targets.iter().any(|target| target.weight > 0) {
        let key = affinity(call).unwrap_or_else(|| fastrand::u64(..));
        order.sort_by_cached_key(|at| call.targets.get(*at).map(|target| rank(target, key)));
    }
    order
}

/// Smaller goes first; for a hash that is as good as chance, a target goes first as often as its share of the
/// weights says.
fn rank(target: &Target, key: u64) -> Rank {
    if target.weight == 0 {
        return Rank(f64::INFINITY);
    }
    let mut hasher = DefaultHasher::new();
    (key, &target.model_id, &target.region, &target.role).hash(&mut hasher);
    // In (0, 1], by the upper half of the bits.
    let drawn =
        u32::try_from(hasher.finish() >> 32).map_or(1.0, |high| (f64::from(high) + 1.0) / 4_294_967_296.0);
    Rank(-drawn.ln() / f64::from(target.weight))
}

/// A number that is never NaN.
#[derive(Debug, PartialEq)]
struct Rank(f64);

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// What calls have in common that should meet the same prompt cache: the session that the caller names, else
/// everything before the first cache point. `None` where there is neither.
fn affinity(call: &Call) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    call.principal.tenant().hash(&mut hasher);
    match &call.session_id {
        Some(session) => session.hash(&mut hasher),
        None => prefix(&call.request)?.hash(&mut hasher),
    }
    Some(hasher.finish())
}

/// The bytes of a conversation up to its first cache point, in the order of Bedrock's prompt cache: tools, system,
/// messages. Native bodies are not looked into.
fn prefix(request: &Request) -> Option<Vec<u8>> {
    let Request::Converse(conversation) = request else { return None };
    let request = &conversation.request;
    let mut bytes = Vec::new();
    for tool in request.tool_config.iter().flat_map(|config| &config.tools) {
        if matches!(tool.kind, Some(tool::Kind::CachePoint(_))) {
            return Some(bytes);
        }
        bytes.extend(tool.encode_to_vec());
    }
    for block in &request.system {
        if matches!(block.kind, Some(system_content_block::Kind::CachePoint(_))) {
            return Some(bytes);
        }
        bytes.extend(block.encode_to_vec());
    }
    for block in request.messages.iter().flat_map(|message| &message.content) {
        if matches!(block.kind, Some(content_block::Kind::CachePoint(_))) {
            return Some(bytes);
        }
        bytes.extend(block.encode_to_vec());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bedrock_inference_proto::v1::{
        CachePointBlock, CallOptions, ContentBlock, ConverseRequest, Message as Turn, SystemContentBlock,
    };
    use tokio::time::Instant;

    use super::*;
    use crate::call::{Asked, Report};
    use crate::config::Settings;
    use crate::error::{Error, Reason};
    use crate::principal::{ApiKey, Authenticator, Peer, Principal};

    fn target(region: &str, weight: u32) -> Target {
        Target { weight, ..Target::region_only(region) }
    }

    /// Who sends this key, where there is one.
    fn principal(settings: &Settings, key: Option<&ApiKey>) -> Result<Principal, Error> {
        let broken = |error: String| Error::new(Reason::Panic, error);
        let mut headers = http::HeaderMap::new();
        if let Some(key) = key {
            let value = key.reveal().parse().map_err(|_| broken("a key is no header".to_owned()))?;
            headers.insert("x-api-key", value);
        }
        let listener = ([127, 0, 0, 1], 0).into();
        Authenticator::new(settings, listener).map_err(broken)?.authenticate(&mut headers, &Peer::default())
    }

    fn call(request: ConverseRequest, session: Option<&str>) -> Result<Call, Error> {
        let principal = principal(&Settings::default(), None)?;
        let options = CallOptions { session_id: session.map(str::to_owned), ..CallOptions::default() };
        let request = ConverseRequest { model_id: Some("x".to_owned()), options: Some(options), ..request };
        let report = Report::begin(Instant::now());
        let call = Call::new(principal, None, None, Asked::from(request), report)?;
        let targets = Arc::new([target("a", 3), target("b", 1), target("c", 0), target("d", 0)]);
        Ok(Call { targets, ..call })
    }

    fn cached(system: &str, message: &str) -> ConverseRequest {
        let block = |kind| SystemContentBlock { kind: Some(kind) };
        let text = ContentBlock { kind: Some(content_block::Kind::Text(message.to_owned())) };
        ConverseRequest {
            system: vec![
                block(system_content_block::Kind::Text(system.to_owned())),
                block(system_content_block::Kind::CachePoint(CachePointBlock::default())),
            ],
            messages: vec![Turn { role: Some("user".to_owned()), content: vec![text] }],
            ..ConverseRequest::default()
        }
    }

    #[test]
    fn weights_are_shares_and_the_rest_keeps_its_order() -> Result<(), Error> {
        let call = call(ConverseRequest::default(), None)?;
        let orders: Vec<_> = (0..20_000).map(|_| order(&call)).collect();
        assert!(orders.iter().all(|order| order.ends_with(&[2, 3])), "what has no weight comes behind");
        let first = orders.iter().filter(|order| order.first() == Some(&0)).count();
        assert!((14_500..15_500).contains(&first), "3 of 4, and not {first} of 20000");
        Ok(())
    }

    #[test]
    fn without_weights_the_order_is_that_of_the_alias() -> Result<(), Error> {
        let targets = Arc::new([target("b", 0), target("a", 0)]);
        assert_eq!(order(&Call { targets, ..call(ConverseRequest::default(), Some("me"))? }), [0, 1]);
        Ok(())
    }

    #[test]
    fn a_session_stays_and_sessions_spread() -> Result<(), Error> {
        let of = |session: &str| call(ConverseRequest::default(), Some(session)).map(|call| order(&call));
        let mut first = 0;
        for session in 0..1_000 {
            let found = of(&session.to_string())?;
            assert_eq!(of(&session.to_string())?, found);
            first += usize::from(found.first() == Some(&0));
        }
        assert!((690..810).contains(&first), "{first} of 1000");
        Ok(())
    }

    #[test]
    fn tenants_with_the_same_session_go_their_own_ways() -> Result<(), Error> {
        let broken = |error: String| Error::new(Reason::Panic, error);
        let keys = [ApiKey::new().map_err(broken)?, ApiKey::new().map_err(broken)?];
        let tenants = keys.iter().zip(["one", "other"]).map(|(key, name)| {
            let hash: String = key.hash().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("[tenants.{name}]\nkeys = [{{ id = {:?}, sha256 = {hash:?} }}]\n", key.id())
        });
        let settings = Settings::parse(Some(&tenants.collect::<String>())).map_err(broken)?;
        let mut apart = 0;
        for session in 0..200 {
            let call = call(ConverseRequest::default(), Some(&session.to_string()))?;
            let of = |key| {
                Ok::<_, Error>(order(&Call { principal: principal(&settings, Some(key))?, ..call.clone() }))
            };
            let [one, other] = &keys;
            apart += usize::from(of(one)? != of(other)?);
        }
        // Each goes one way in three of four.
        assert!((40..120).contains(&apart), "{apart} of 200");
        Ok(())
    }

    #[test]
    fn one_prefix_goes_one_way_whatever_follows() -> Result<(), Error> {
        let of = |system: &str, message: &str| call(cached(system, message), None).map(|call| order(&call));
        let mut first = 0;
        for rules in 0..400 {
            let found = of(&rules.to_string(), "hello")?;
            assert_eq!(of(&rules.to_string(), "and then?")?, found);
            first += usize::from(found.first() == Some(&0));
        }
        assert!((260..340).contains(&first), "{first} of 400");
        Ok(())
    }

    #[test]
    fn a_target_that_goes_moves_only_its_own_calls() -> Result<(), Error> {
        for session in 0..200 {
            let call = call(ConverseRequest::default(), Some(&session.to_string()))?;
            let all = Arc::new([target("a", 1), target("b", 1), target("c", 1)]);
            let before = order(&Call { targets: all, ..call.clone() });
            let left = order(&Call { targets: Arc::new([target("a", 1), target("b", 1)]), ..call });
            assert_eq!(left, before.into_iter().filter(|at| *at != 2).collect::<Vec<_>>());
        }
        Ok(())
    }
}
