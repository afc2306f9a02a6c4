// SPDX-License-Identifier: MIT
#include "cache_families.hpp"

#include "make_family.hpp"

namespace failover::observe {

CacheFamilies::CacheFamilies(prometheus::Registry& registry)
    : registry_{registry},
      gets_success{counter(registry, "cache_gets_success_total",
                           "Reads of a cache that were answered, misses among them.")},
      gets_failed{counter(registry, "cache_gets_failed_total", "Reads of a cache that failed.")},
      sets_success{counter(registry, "cache_sets_success_total", "Values that were stored.")},
      sets_failed{counter(registry, "cache_sets_failed_total", "Values that were not stored.")},
      deletes_success{
          counter(registry, "cache_deletes_success_total", "Deletions that succeeded.")},
      deletes_failed{counter(registry, "cache_deletes_failed_total", "Deletions that failed.")},
      calls{counter(registry, "failover_cache_calls_total", "Calls that ended, by how.")},
      duration{histogram(registry, "failover_cache_call_duration_seconds",
                         "Time a whole cache call took, retries included.")},
      hits{counter(registry, "failover_cache_hits_total", "Reads that found their key.")},
      misses{counter(registry, "failover_cache_misses_total", "Reads that did not.")},
      retries{counter(registry, "failover_cache_retries_total",
                      "Attempts after a cache call's first.")},
      failovers{counter(registry, "failover_cache_failovers_total",
                        "Times reads moved to another node.")},
      journaled{counter(registry, "failover_cache_journaled_total",
                        "Keys put into the journal of a node that did not confirm them.")},
      replayed{counter(registry, "failover_cache_replayed_total",
                       "Keys of a journal that were deleted on their node.")},
      flushes{counter(registry, "failover_cache_flushes_total",
                      "Times the database of a node was emptied.")},
      audited{counter(registry, "failover_cache_audited_total", "Keys compared on all nodes.")},
      diverged{counter(registry, "failover_cache_diverged_total",
                       "Keys that had different values on the nodes.")},
      doubted{counter(registry, "failover_cache_doubted_total",
                      "Reads that were a miss, as what was read may have been older than what this "
                      "process wrote.")},
      warmed{counter(registry, "failover_cache_warmed_total",
                     "Values copied to a node that warms up.")},
      loads{counter(registry, "failover_cache_loads_total",
                    "Calls of get_or_load(), by how they came by the value.")},
      journal_depth{gauge(registry, "failover_cache_journal_depth",
                          "Keys to delete on a node before it serves reads again.")},
      journal_age{gauge(registry, "failover_cache_journal_age_seconds",
                        "How long the oldest of them has been waiting.")},
      node_up{gauge(registry, "failover_cache_node_up", "1 while the node is up, else 0.")},
      node_state{
          gauge(registry, "failover_cache_node_state", "1 for the state the node is in, else 0.")},
      connections{
          gauge(registry, "failover_cache_connections", "Open pipelined connections to a node.")},
      pending{gauge(registry, "failover_cache_pending", "Commands under way to a node.")} {}

CacheFamilies::~CacheFamilies() {
    for (auto* family : {&gets_success, &gets_failed, &sets_success, &sets_failed, &deletes_success,
                         &deletes_failed, &calls, &hits, &misses, &retries, &failovers, &journaled,
                         &replayed, &flushes, &audited, &diverged, &doubted, &warmed, &loads}) {
        registry_.Remove(*family);
    }
    for (auto* family :
         {&journal_depth, &journal_age, &node_up, &node_state, &connections, &pending}) {
        registry_.Remove(*family);
    }
    registry_.Remove(duration);
}

} // namespace failover::observe
