//! Filters, and the caches that some of them fill.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_config::model::{self, CompressionAlgorithm, FilterKind};
use tidegate_config::{Spanned, unknown_lua_name};
use tidegate_proxy::spec::{
    Algorithm, BandwidthSpec, Cache, CacheSpec, CompressionLimit, CompressionSpec, EarlyHints, FilterOrder,
    FilterSpec, Sharing,
};
use tidegate_sample::Way;

use super::Assembly;

impl Assembly {
    /// The filters of a proxy, which are taken out of it.
    pub(super) fn filters_of(&mut self, proxy: &mut model::Proxy) -> (Vec<FilterSpec>, FilterOrder) {
        let compression = proxy.compression.take();
        let compression = compression.filter(|c| c.request.is_some() || !c.response.is_empty());
        let (level, limit) = (self.compression_level, &self.compression_limit);
        let made = |settings| FilterSpec::Compression(Arc::new(spec(settings, level, limit.clone())));
        let mut compression = compression.map(made);
        let mut filters = Vec::new();
        // The names of lines, and the places of what they declare.
        let mut places: Vec<(String, usize)> = Vec::new();
        let mut compresses_at = None;
        for filter in std::mem::take(&mut proxy.filters) {
            let place = match filter.kind {
                FilterKind::Compression => *compresses_at.get_or_insert(filters.len()),
                _ => filters.len(),
            };
            places.push((filter.name, place));
            filters.extend(match filter.kind {
                FilterKind::Compression => compression.take(),
                // Its name was checked.
                FilterKind::Cache(name) => self.cache(&name.value).map(FilterSpec::Cache),
                FilterKind::Bandwidth(limit) => Some(FilterSpec::Bandwidth(Arc::new(bandwidth(limit)))),
                FilterKind::Lua(filter) => self.lua_filter(filter),
            });
        }
        // Without a line of its own it comes last.
        let unnamed = compression.is_some().then_some(filters.len());
        filters.extend(compression);
        let order = |sequence: Option<Vec<Spanned<String>>>, idle: &str| {
            let sequence = sequence?;
            let mut order: Vec<usize> = Vec::new();
            // What compresses messages of one way has nothing to do on the other.
            for name in sequence.iter().filter(|name| name.value != idle) {
                let named = places.iter().filter(|(known, _)| *known == name.value);
                order.extend(named.map(|(_, place)| *place));
            }
            order.extend(unnamed);
            let mut seen = BTreeSet::new();
            order.retain(|place| seen.insert(*place));
            Some(order)
        };
        let sequences = std::mem::take(&mut proxy.filter_sequences);
        let order = FilterOrder {
            request: order(sequences.request, "comp-res"),
            response: order(sequences.response, "comp-req"),
        };
        (filters, order)
    }

    // The configuration was held to what scripts registered: a name that is missing here is a fault of ours.
    fn lua_filter(&mut self, filter: model::LuaFilter) -> Option<FilterSpec> {
        let id = self.around.scripts.filter(&filter.name.value);
        if id.is_none() {
            self.faults.push(unknown_lua_name("the filter", &filter.name, []));
        }
        id.map(|id| FilterSpec::Extension(id, filter.arguments.into()))
    }

    pub(super) fn cache(&self, name: &str) -> Option<Arc<Cache>> {
        self.caches.get(name).cloned()
    }

    /// Whether the proxy whose rules are read has a `filter` line for a cache.
    pub(super) fn filters_cache(&self, name: &str) -> bool {
        let is_it =
            |filter: &FilterSpec| matches!(filter, FilterSpec::Cache(cache) if cache.spec().name == name);
        self.filters.iter().any(is_it)
    }

    /// The filter of this name that limits what passes, of the proxy whose rules are read.
    pub(super) fn bandwidth(&self, name: &str) -> Option<Arc<BandwidthSpec>> {
        self.filters.iter().find_map(|filter| match filter {
            FilterSpec::Bandwidth(spec) if spec.name == name => Some(spec.clone()),
            _ => None,
        })
    }
}

/// The caches, all of them empty.
pub(super) fn caches(sections: BTreeMap<String, model::Cache>) -> BTreeMap<String, Arc<Cache>> {
    let made = sections.into_iter().map(|(name, section)| {
        let spec = CacheSpec {
            name: name.clone(),
            total_bytes: section.total_megabytes << 20,
            object_bytes_max: section.object_bytes_max,
            age_max: section.age_max,
            process_vary: section.process_vary,
            variants_max: usize::try_from(section.variants_max).unwrap_or(usize::MAX),
            early_hints: match section.early_hints {
                model::EarlyHints::Off => EarlyHints::Off,
                model::EarlyHints::On(percent) => EarlyHints::On(percent),
                model::EarlyHints::Only => EarlyHints::Only,
            },
        };
        (name, Arc::new(Cache::new(spec)))
    });
    made.collect()
}

fn bandwidth(filter: model::Bandwidth) -> BandwidthSpec {
    BandwidthSpec {
        name: filter.name.value,
        way: if filter.incoming {
            Way::Request
        } else {
            Way::Response
        },
        limit: filter.limit,
        sharing: match filter.sharing {
            model::BandwidthSharing::Stream(period) => {
                Sharing::Stream(u64::try_from(period.as_millis()).unwrap_or(u64::MAX))
            }
            model::BandwidthSharing::Table(key, table) => Sharing::Table(key, table),
        },
        bytes_min: filter.bytes_min,
    }
}

fn spec(settings: model::Compression, level: u32, limit: Arc<CompressionLimit>) -> CompressionSpec {
    CompressionSpec {
        request: settings.request.filter(|_| settings.of_requests).map(algorithm),
        response: match settings.not_of_responses {
            true => Vec::new(),
            false => settings.response.into_iter().map(algorithm).collect(),
        },
        request_types: settings.request_types,
        response_types: settings.response_types,
        offload: settings.offload,
        request_bytes_min: settings.request_bytes_min,
        response_bytes_min: settings.response_bytes_min,
        level,
        limit,
    }
}

fn algorithm(algorithm: CompressionAlgorithm) -> Algorithm {
    match algorithm {
        CompressionAlgorithm::Identity => Algorithm::Identity,
        CompressionAlgorithm::Gzip => Algorithm::Gzip,
        CompressionAlgorithm::Deflate => Algorithm::Deflate,
        CompressionAlgorithm::RawDeflate => Algorithm::RawDeflate,
    }
}
