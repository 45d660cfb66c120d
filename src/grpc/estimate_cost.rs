//! EstimateCost: from what to what a call can cost, before it is made.

use bedrock_inference_proto::codec::Violation;
use bedrock_inference_proto::v1::{Cost, CountTokensRequest, EstimateCostRequest, EstimateCostResponse};
use tonic::{Request, Response, Status};

use super::count_tokens::Counter;
use super::{Caller, Live};
use crate::call::{Report, refusal};
use crate::catalog::Target;
use crate::error::{Error, Reason};
use crate::price::{Price, Service, Unpriced};

pub(super) async fn answer(
    live: &Live,
    request: Request<EstimateCostRequest>,
) -> Result<Response<EstimateCostResponse>, Status> {
    let (ending, caller, message) = live.received(request);
    let estimate = estimate(live, &caller, message, ending.report()).await;
    ending.of_unary(estimate, |estimate, call| estimate.call = Some(call)).map(Response::new)
}

async fn estimate(
    live: &Live,
    caller: &Caller,
    message: EstimateCostRequest,
    report: &Report,
) -> Result<EstimateCostResponse, Error> {
    let EstimateCostRequest { model_id, input, max_tokens, service_tier, options } = message;
    let count = CountTokensRequest { model_id, input: input.clone(), options, split: false };
    let call = live.call(caller, count.into(), report)?;
    let choice = live.catalog.choose_for(call.principal.policy(), &call.model_asked, &live.home)?;
    let service = Service { tier: service_tier, latency: None };
    let priced = |target: &Target| Ok((live.prices.of(target, &service)?, longest(target)));
    let priced: Result<Vec<_>, Unpriced> = choice.targets.iter().map(priced).collect();
    let priced = priced.map_err(unpriced)?;
    let negative = max_tokens.filter(|tokens| *tokens < 0);
    let negative = negative.map(|_| mistake("is negative; 0 and more are accepted"));
    let counter = Counter::new(live, call, negative)?;
    let input_tokens = i64::from(counter.count(input).await?);
    let mut bounds = Bounds::default();
    for (price, longest) in &priced {
        let output = match max_tokens {
            _ if !price.charges_output() => Some(0),
            Some(tokens) => Some(i64::from(tokens)),
            None => *longest,
        };
        let unset = "is not set, and the model's limit is not established";
        let output = output.ok_or_else(|| refusal(vec![mistake(unset)]))?;
        bounds.widen(price, input_tokens, output).map_err(unpriced)?;
    }
    let Bounds { low, high, max_output_tokens } = bounds;
    Ok(EstimateCostResponse {
        input_tokens,
        estimated: !counter.by_aws,
        max_output_tokens,
        low,
        high,
        call: None,
    })
}

/// What holds for every target.
#[derive(Default)]
struct Bounds {
    low: Option<Cost>,
    high: Option<Cost>,
    max_output_tokens: i64,
}

impl Bounds {
    fn widen(&mut self, price: &Price, input: i64, output: i64) -> Result<(), Unpriced> {
        let (least, most) = (price.least(input)?, price.most(input, output)?);
        if self.low.as_ref().is_none_or(|low| least.pico_usd < low.pico_usd) {
            self.low = Some(least);
        }
        if self.high.as_ref().is_none_or(|high| most.pico_usd > high.pico_usd) {
            self.high = Some(most);
        }
        self.max_output_tokens = self.max_output_tokens.max(output);
        Ok(())
    }
}

/// The longest answer of the target's model, where it is established.
fn longest(target: &Target) -> Option<i64> {
    target.entry.as_ref()?.model.limits.max_output_tokens
}

fn mistake(description: &str) -> Violation {
    Violation { path: "maxTokens".to_owned(), description: description.to_owned() }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the argument of map_err")]
fn unpriced(why: Unpriced) -> Error {
    Error::new(Reason::ModelNotPriced, why.to_string())
}
