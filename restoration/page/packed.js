// A zip that was just made is downloaded at once.
watch('value', () => { if (!props.value) return; const link = document.createElement('a');
  link.href = props.value.url; link.download = props.value.orig_name; document.body.append(link); link.click(); link.remove(); });
