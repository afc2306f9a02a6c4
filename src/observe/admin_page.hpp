// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace failover::observe {

/// The page at "/": asks /api/v1/status and /api/v1/events once a second. Everything it shows is
/// set as text, so that a name from discovery cannot become markup.
inline constexpr std::string_view admin_page = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>failover</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>
 :root{color-scheme:light dark} body{font:14px/1.4 system-ui,sans-serif;margin:1.5rem;max-width:70rem}
 h1{font-size:1.2rem} h2{font-size:1rem;margin:1.5rem 0 .3rem} .note{opacity:.7}
 table{border-collapse:collapse;width:100%} th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #8884}
 td.n{text-align:right;font-variant-numeric:tabular-nums}
 .usable,.up,.primary,.standby{color:#187a3c}.probing,.suspect,.rejoining,.warming{color:#a06a00}
 .ejected,.down,.fenced,.foreign{color:#b3261e}.draining{color:#5b5bd6}
</style></head><body>
<h1>failover <span id="who" class="note"></span></h1><div id="services"></div>
<h2>Events</h2><table id="events"><tbody></tbody></table>
<script>
const make=(tag,text,cls)=>{const e=document.createElement(tag);if(text!==undefined)e.textContent=text;if(cls)e.className=cls;return e};
const row=(cells)=>{const r=make('tr');cells.forEach(c=>r.append(c));return r};
const table=(heads)=>{const t=make('table');t.append(row(heads.map(h=>make('th',h))));return t};
const ms=(x)=>x===undefined?'':x.toFixed(2);
const note=(parts)=>make('div',parts.filter(Boolean).join(' · '),'note');
function database(d,root){
 root.append(make('h2','database'),note([d.primary?'primary: '+d.primary:'no primary',d.split_brain?'SPLIT BRAIN':'',
  d.writes_paused?'writes are paused':'',d.waiting_writes?d.waiting_writes+' writes wait':'','timeline '+d.timeline]));
 const t=table(['node','address','role','why','staleness ms','round trip ms','in use','idle','waiting']);
 for(const n of d.nodes){const s=n.draining?'draining':n.role;t.append(row([make('td',n.id),make('td',n.address),make('td',s,s),make('td',n.problem||''),
  make('td',ms(n.staleness_ms),'n'),make('td',ms(n.round_trip_ms),'n'),make('td',n.connections.in_use,'n'),make('td',n.connections.idle,'n'),
  make('td',n.connections.pending,'n')]))}
 root.append(t);
}
function cache(c,root){
 root.append(make('h2','cache'),note([c.mode,c.reads?'reads: '+c.reads:'no node is fit for reads',
  c.mode==='replicated'?(c.primary?'primary: '+c.primary:'no primary'):'']));
 const t=table(['node','address','state','role','why','to delete','since ms','round trip ms','connections','commands']);
 for(const n of c.nodes){const s=n.draining?'draining':n.state;t.append(row([make('td',n.id),make('td',n.address),make('td',s,s),make('td',n.role),
  make('td',n.problem||''),make('td',n.journal_overflowed?'everything':n.journal_depth,'n'),make('td',ms(n.journal_age_ms),'n'),
  make('td',ms(n.round_trip_ms),'n'),make('td',n.connections,'n'),make('td',n.pending,'n')]))}
 root.append(t);
}
function show(status){
 document.getElementById('who').textContent=(status.service||'')+(status.running?'':' (stopping)');
 const root=document.getElementById('services');root.replaceChildren();
 for(const s of status.services){
  root.append(make('h2',s.name));
  const d=s.discovery.problem?'discovery: '+s.discovery.problem:(s.discovery.known?'':'no endpoints known yet');
  root.append(note([s.strategy,s.panic?'PANIC':'',s.active?'active: '+s.active:'',d]));
  const t=table(['endpoint','address','state','why','in flight','latency ms','attempts','failures']);
  for(const e of s.endpoints)t.append(row([make('td',e.id),make('td',e.address+':'+e.port),make('td',e.usability,e.usability),
   make('td',e.reason),make('td',e.in_flight,'n'),make('td',e.latency_ms.toFixed(2),'n'),make('td',e.attempts,'n'),make('td',e.failures,'n')]));
  root.append(t);
 }
 if(status.database)database(status.database,root);
 if(status.cache)cache(status.cache,root);
}
let seen=0;
async function tick(){
 try{
  show(await (await fetch('api/v1/status')).json());
  const list=await (await fetch('api/v1/events?since='+seen)).json();
  const body=document.querySelector('#events tbody');
  for(const e of list.events){seen=e.number;body.prepend(row([make('td',e.time),make('td',e.kind),make('td',e.service),make('td',e.endpoint),make('td',e.reason)]))}
  while(body.rows.length>100)body.deleteRow(-1);
 }catch(error){document.getElementById('who').textContent='not reachable: '+error}
 setTimeout(tick,1000);
}
tick();
</script></body></html>
)html";

} // namespace failover::observe
